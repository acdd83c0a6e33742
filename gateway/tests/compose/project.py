"""The project's own folder, copied, and its compose files on an engine of the test's own."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from gateway.new_env import read_names
from gateway.tests.compose.docker_cli import DockerCli, clean_environment
from gateway.tests.live import wait_until
from gateway.tests.needs import PROJECT
from modelops.simulator.process import find_free_port

NAME = "gateway-under-test"
OVERRIDE = "docker-compose.test.yml"
ENGINE_LABEL = "vllm-chat-gateway.slot"
START_TIMEOUT_S = 120
BUILT = ("migrate", "web", "switcher", "maintenance")


def copy_sources(target: Path) -> None:
    """What git would have: a machine's own `.env`, environments and caches stay behind."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source = PROJECT / name
        if source.is_file():  # not one that was just removed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def write_override(folder: Path, docker_socket: str) -> None:
    """What a machine without a registry and with an engine of the test's own forces; nothing else."""
    override: dict[str, Any] = {
        # pip finds its wheels on this machine.
        "services": {name: {"build": {"network": "host"}} for name in BUILT}
    }
    override["services"]["switcher"]["volumes"] = [f"{docker_socket}:/var/run/docker.sock"]
    (folder / OVERRIDE).write_text(yaml.safe_dump(override))


@dataclass(frozen=True)
class ComposeProject:
    """A folder in which `make env` was run."""

    folder: Path
    docker: DockerCli

    def compose(self, *arguments: str, given: str | None = None) -> str:
        return self.docker.run("compose", *arguments, given=given)

    def execute(self, service: str, *command: str) -> str:
        """What a command prints in a service's container."""
        return self.compose("exec", "-T", service, *command)

    def manage(self, *arguments: str) -> str:
        """What `manage.py …` prints in the web service's."""
        return self.execute("web", "python", "manage.py", *arguments)

    @property
    def settings(self) -> dict[str, str]:
        return read_names((self.folder / ".env").read_text())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['GATEWAY_PORT']}"

    def container(self, service: str) -> dict[str, Any]:
        """What Docker says of it. It may have ended."""
        [found] = self.docker.inspect(*self.compose("ps", "--all", "--quiet", service).split())
        return found

    def engines(self) -> list[dict[str, Any]]:
        """The containers that the switcher started and has not removed."""
        return self.docker.inspect(*self.docker.list_ids("container", f"label={ENGINE_LABEL}"))

    def log_in(self) -> httpx.Client:
        """A client of admin's, by the password that `make env` made."""
        account = {"username": "admin", "password": self.settings["GATEWAY_ADMIN_PASSWORD"]}
        answer = httpx.post(f"{self.url}/api/auth/login", json=account, timeout=30)
        assert answer.status_code == 200, answer.text
        token = answer.json()["access_token"]
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)

    def read_status(self) -> dict[str, Any]:
        """What everybody may know of the models; nothing while the web service does not answer."""
        try:
            answer = httpx.get(f"{self.url}/api/models/status", timeout=5)
        except httpx.TransportError:
            return {}
        return dict(answer.json()) if answer.status_code == 200 else {}

    def wait_for_model(self, slug: str) -> None:
        """Until that profile serves."""
        try:
            wait_until(
                lambda: self.read_status() == {"state": "ready", "current_profile": slug},
                timeout_s=START_TIMEOUT_S,
                what=f"{slug} to serve",
                poll_s=0.1,
            )
        except AssertionError as exc:
            raise AssertionError(f"{exc}; status {self.read_status()}\n{self.logs()}") from None

    def logs(self) -> str:
        return self.compose("logs", "--no-color", "--tail", "60")


def make_project(folder: Path, environment: dict[str, str], docker_socket: str) -> ComposeProject:
    """As an operator begins, by `make env`; the engine's socket and the names come from the test."""
    copy_sources(folder)
    write_override(folder, docker_socket)
    group = Path(docker_socket).stat().st_gid
    own = {"COMPOSE_PROJECT_NAME": NAME, "DOCKER_GID": str(group)}
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in own.items()))
    subprocess.run(
        ["make", "--silent", "env", f"ARGS=--no-gpus --port {find_free_port()}"],
        cwd=folder,
        env=clean_environment() | environment,
        check=True,
        capture_output=True,
    )
    files = read_names((folder / ".env").read_text())["COMPOSE_FILE"]
    return ComposeProject(folder, DockerCli(environment | {"COMPOSE_FILE": f"{files}:{OVERRIDE}"}, folder))
