"""docker-compose.yml as it is, from `make env` to `down`: sign-in, chat, switches, restarts, rights."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway.tests.compose.docker_cli import DockerCommandFailed
from gateway.tests.compose.project import NAME, ComposeProject
from gateway.tests.live import wait_until

pytestmark = pytest.mark.docker

SERVICES = ("web", "switcher", "maintenance", "postgres", "redis")
SMALL, LARGE = "simulated-container", "simulated-container-large"
MOST_BYTES = 250_000_000
BACKUP = ("python", "manage.py", "backup", "-")
RESTORE = ("python", "manage.py", "restore", "-")
ASK = """
import http.client
connection = http.client.HTTPConnection({host!r}, 8080)
connection.request("GET", "/")
print(connection.getresponse().status)
"""


@pytest.fixture(scope="module")
def admin(project: ComposeProject) -> Iterator[httpx.Client]:
    with project.log_in() as client:
        yield client


def ask(client: httpx.Client) -> str:
    """The model that answered."""
    body = {"model": "current", "messages": [{"role": "user", "content": "Are you there?"}], "stream": False}
    answer = client.post("/api/chat", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"]["content"]
    return str(answer.json()["model"])


def read_texts(client: httpx.Client) -> list[tuple[str, str]]:
    """Each message of the latest conversation. Its title comes by itself, a little later."""
    [latest, *_] = client.get("/api/conversations").json()["data"]
    messages = client.get(f"/api/conversations/{latest['id']}/messages").json()["data"]
    return [(message["id"], message["content"]) for message in messages]


def test_admin_signs_in_with_the_password_of_make_env_and_chats(admin: httpx.Client) -> None:
    assert admin.get("/api/auth/me").json()["role"] == "admin"
    assert ask(admin) == SMALL


def test_image_is_small_and_says_what_it_is(project: ComposeProject) -> None:
    [image] = project.docker.inspect("vllm-chat-gateway")

    version = project.manage("--version").split()

    assert image["Size"] < MOST_BYTES
    assert image["Config"]["User"] == "gateway"
    assert version[0] == "vllm-chat-gateway"
    assert image["Config"]["Labels"]["org.opencontainers.image.version"] == version[1]
    assert project.execute("web", "find", "/app", "/venv", "-name", "tests", "-o", "-name", "docs") == ""


def test_containers_have_no_right_that_they_do_not_need(project: ComposeProject) -> None:
    containers = [project.container(name) for name in ("migrate", *SERVICES)] + project.engines()

    for container in containers:
        host = container["HostConfig"]
        assert (host["CapDrop"], host["CapAdd"], host["Privileged"]) == (["ALL"], None, False)
        assert host["SecurityOpt"] == ["no-new-privileges:true"]
        assert host["PidMode"] == host["UTSMode"] == ""
    for name in SERVICES:
        status = project.execute(name, "cat", "/proc/1/status")
        assert "CapEff:\t0000000000000000" in status
        assert "Uid:\t0" not in status


def test_web_reaches_no_docker_socket_and_writes_no_root(project: ComposeProject) -> None:
    mounts = {name: {each["Destination"] for each in project.container(name)["Mounts"]} for name in SERVICES}

    found = project.execute("web", "sh", "-c", "find / -xdev -type s 2> /dev/null || true")

    assert mounts["web"] == {"/data/files"}
    assert mounts["switcher"] == {"/var/run/docker.sock"}
    assert "docker" not in found
    for name in ("web", "switcher", "redis"):
        with pytest.raises(DockerCommandFailed, match="Read-only file system"):
            project.execute(name, "touch", "/etc/written")


def test_engine_does_not_reach_the_web_service(project: ComposeProject) -> None:
    networks = project.container("web")["NetworkSettings"]["Networks"]
    beside_engines = networks[f"{NAME}_engine"]["IPAddress"]
    [engine] = project.engines()
    assert engine["NetworkSettings"]["Networks"].keys() == {f"{NAME}_engine"}

    said = project.docker.attempt("exec", engine["Id"], "python3", "-c", ASK.format(host=beside_engines))

    # Cut off before its request was sent, or after: either way without an answer.
    assert "ConnectionResetError" in said.stdout or "RemoteDisconnected" in said.stdout, said.stdout


def test_each_service_may_be_restarted(project: ComposeProject, admin: httpx.Client) -> None:
    [engine] = project.engines()

    for name in SERVICES:
        project.compose("restart", name)
        project.wait_for_model(SMALL)
        assert ask(admin) == SMALL, name

    assert [each["Id"] for each in project.engines()] == [engine["Id"]]


def test_switch_goes_on_after_its_switcher_was_killed(project: ComposeProject, admin: httpx.Client) -> None:
    project.manage("switch_model", LARGE, "--wait")
    assert ask(admin) == LARGE
    switcher = project.container("switcher")

    project.manage("switch_model", SMALL, "--no-wait")
    wait_until(lambda: project.read_status().get("state") == "switching", what="the switch to begin")
    os.kill(switcher["State"]["Pid"], signal.SIGKILL)

    project.wait_for_model(SMALL)
    assert ask(admin) == SMALL
    assert project.container("switcher")["RestartCount"] == switcher["RestartCount"] + 1
    assert len(project.engines()) == 1


def test_services_are_well_by_health_checks_of_their_own(project: ComposeProject) -> None:
    def list_states() -> set[str]:
        checked = set(SERVICES) - {"maintenance"}
        return {project.container(name)["State"]["Health"]["Status"] for name in checked}

    wait_until(lambda: list_states() == {"healthy"}, timeout_s=60, what="every service to be well")


def test_doctor_finds_nothing_to_mend(project: ComposeProject) -> None:
    """From where Docker is reached, and from where requests come in."""
    for name in ("web", "switcher"):
        report = json.loads(project.execute(name, "python", "manage.py", "doctor", "--json"))

        assert report["problems"] == 0


def test_engine_outlives_the_services(project: ComposeProject, admin: httpx.Client) -> None:
    [engine] = project.engines()

    project.compose("down")
    assert [each["State"]["Status"] for each in project.engines()] == ["running"]
    project.compose("up", "--detach")
    project.wait_for_model(SMALL)

    assert ask(admin) == SMALL
    assert [each["Id"] for each in project.engines()] == [engine["Id"]]


def test_nothing_is_left_when_asked_and_a_backup_brings_all_back(
    project: ComposeProject, tmp_path: Path
) -> None:
    """As docs/backup.md and docs/compose.md say."""
    ours = f"label=com.docker.compose.project={NAME}"
    kept = tmp_path / "gateway.backup"
    with project.log_in() as client:
        ask(client)
        before = read_texts(client)
    project.docker.pipe("compose", "exec", "-T", "web", *BACKUP, target=kept)

    project.compose("down", "--remove-orphans", "--volumes")
    assert project.engines() == []
    assert [project.docker.list_ids(kind, ours) for kind in ("container", "network", "volume")] == [[]] * 3

    project.compose("up", "--detach", "--wait", "postgres", "redis")
    project.docker.pipe("compose", "run", "--rm", "--no-deps", "-T", "web", *RESTORE, source=kept)
    project.compose("up", "--detach")
    project.wait_for_model(SMALL)
    with project.log_in() as client:
        assert read_texts(client) == before
        assert ask(client) == SMALL
