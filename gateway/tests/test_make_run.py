"""`make run`'s command, as a newcomer meets it: start, chat, Ctrl-C, start again."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import jwt
import psutil
import pytest

from gateway.conf import BASE_DIR
from gateway.tests.databases import MIGRATED, SQLITE_FILE, sqlite_template
from gateway.tests.live import wait_until
from modelops.simulator.process import find_free_port, start_simulator

STOP_WITHIN_S = 5.0


class EmbeddedGateway:
    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.port = find_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._output = folder / f"output-{self.port}.log"
        inherited = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG"}}
        environment = inherited | {
            "GATEWAY_ENV_FILE": os.devnull,
            "GATEWAY_DATA_DIR": str(folder / "data"),
            "GATEWAY_PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
        }
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_embedded"],
                cwd=BASE_DIR,
                env=environment | settings,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @classmethod
    def start_migrated(cls, folder: Path, **settings: str) -> EmbeddedGateway:
        """With its tables there, as at every start but the first, which spends most of its time on them."""
        data = folder / "data"
        data.mkdir(mode=0o700)
        shutil.copy(sqlite_template(MIGRATED), data / SQLITE_FILE)
        return cls(folder, **settings)

    def output(self) -> str:
        return self._output.read_text()

    def await_greeting(self) -> str:
        wait_until(
            lambda: "Ctrl-C stops" in self.output() or self.process.poll() is not None,
            timeout_s=40,
            what="start",
        )
        return self.output()

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def interrupt(self) -> None:
        """Ctrl-C; fails when anything is left after the promised time."""
        children = self.children()
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(STOP_WITHIN_S)
        assert find_running(children) == []


def find_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that have not ended; one that nobody has reaped yet has."""
    running = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                running.append(process)
    return running


def password_of(username: str, output: str) -> str:
    found = re.search(rf"user {username} +password (\S+)", output)
    assert found, output
    return found[1]


def log_in(url: str, password: str) -> dict[str, str]:
    answer = httpx.post(f"{url}/api/auth/login", json={"username": "demo", "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_a_newcomer_chats_stops_in_the_middle_and_finds_everything_again(tmp_path: Path) -> None:
    first = EmbeddedGateway(tmp_path)
    try:
        greeting = first.await_greeting()
        password = password_of("demo", greeting)
        pasted = next(line for line in greeting.splitlines() if line.startswith("curl "))
        chatted = subprocess.run(["sh", "-c", pasted], capture_output=True, text=True, check=True, timeout=60)
        assert "simulated" in chatted.stdout
        assert not chatted.stdout.startswith("{")
        headers = log_in(first.url, password)
        body = {"content": "Tell me everything", "stream": True}
        with httpx.stream("POST", f"{first.url}/api/chat", json=body, headers=headers) as response:
            assert any(line.startswith("data: ") for line in response.iter_lines())
            cut_short = response.headers["x-conversation-id"]
            first.interrupt()
    finally:
        first.process.kill()

    second = EmbeddedGateway(tmp_path)
    try:
        greeting = second.await_greeting()
        assert "exists, its password is unchanged" in greeting
        headers = log_in(second.url, password)
        listed = httpx.get(f"{second.url}/api/conversations", headers=headers).json()["data"]
        assert len(listed) == 2
        detail = httpx.get(f"{second.url}/api/conversations/{cut_short}", headers=headers).json()
        assert detail["messages"][1]["status"] in {"error", "complete"}
        second.interrupt()
    finally:
        second.process.kill()


def test_a_named_engine_is_used_and_no_simulator_started(tmp_path: Path) -> None:
    with start_simulator("--served-model-name", "my-own-model") as engine:
        gateway = EmbeddedGateway.start_migrated(
            tmp_path, VLLM_BASE_URL=engine.base_url, GATEWAY_USER_PASSWORD="chosen-by-me"
        )
        try:
            gateway.await_greeting()
            headers = log_in(gateway.url, "chosen-by-me")
            models = httpx.get(f"{gateway.url}/v1/models", headers=headers).json()["data"]
            commands = [" ".join(child.cmdline()) for child in gateway.children()]
            gateway.interrupt()
        finally:
            gateway.process.kill()

    assert models[0]["id"] == "my-own-model"
    assert not [c for c in commands if "modelops.simulator" in c]


def test_a_port_in_use_is_named(tmp_path: Path, simulator: str) -> None:
    port = simulator.rpartition(":")[2]
    gateway = EmbeddedGateway(tmp_path, GATEWAY_PORT=port)

    code = gateway.process.wait(30)

    assert code == 1
    assert f"GATEWAY_PORT: port {port} is in use" in gateway.output()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedGateway]:
    """A gateway that has greeted, and goes on whatever a test does to it."""
    gateway = EmbeddedGateway.start_migrated(tmp_path_factory.mktemp("running"))
    try:
        gateway.await_greeting()
        yield gateway
        gateway.interrupt()
    finally:
        gateway.process.kill()


def test_greeting_leads_to_the_chat_page_of_an_engine_that_is_ready(running: EmbeddedGateway) -> None:
    assert "The simulated engine is ready" in running.output()
    assert f"{running.url}/chat/" in running.output()


def test_requests_are_logged_in_the_data_folder_and_not_on_the_terminal(running: EmbeddedGateway) -> None:
    httpx.get(f"{running.url}/api/models/status", headers={"x-request-id": "asked-by-this-test"})

    log = running.folder / "data" / "web.log"
    wait_until(lambda: "asked-by-this-test" in log.read_text(), what="the line in the log")
    assert "asked-by-this-test" not in running.output()


def test_no_browser_is_offered_where_nobody_sits_at_a_terminal(running: EmbeddedGateway) -> None:
    assert "Enter opens" not in running.output()


def test_the_printed_token_lives_for_an_hour(running: EmbeddedGateway) -> None:
    token = re.search(r"Bearer ([^']+)'", running.output())
    assert token

    claims = jwt.decode(token[1], options={"verify_signature": False})

    assert claims["exp"] - claims["iat"] == 3600


def test_a_second_gateway_on_the_same_data_is_refused(running: EmbeddedGateway) -> None:
    second = EmbeddedGateway(running.folder)

    code = second.process.wait(30)

    assert code == 1
    assert "GATEWAY_DATA_DIR: another gateway runs on" in second.output()


def test_a_bad_setting_is_named_without_a_traceback(tmp_path: Path) -> None:
    gateway = EmbeddedGateway(tmp_path, RATE_LIMIT_WINDOW="soon")

    code = gateway.process.wait(30)

    assert code == 1
    assert gateway.output().startswith("Configuration error: RATE_LIMIT_WINDOW:")
    assert "Traceback" not in gateway.output()


def find_engine(gateway: EmbeddedGateway) -> psutil.Process | None:
    """The process that listens, not the keeper that watches it."""
    for child in find_running(gateway.children()):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.cmdline()[1:3] == ["-m", "modelops.simulator"]:
                return child
    return None


def test_the_simulated_engine_is_started_again_when_it_dies(running: EmbeddedGateway) -> None:
    engine = find_engine(running)
    assert engine is not None
    engine.kill()

    def is_ready_again() -> bool:
        successor = find_engine(running)
        health = httpx.get(f"{running.url}/health").json()
        is_another = successor is not None and successor.pid != engine.pid
        return is_another and health["services"]["vllm"]["status"] == "ready"

    wait_until(is_ready_again, timeout_s=20, what="the engine to be back")


def test_everything_ends_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    gateway = EmbeddedGateway.start_migrated(tmp_path)
    gateway.await_greeting()
    children = gateway.children()

    gateway.process.kill()
    gateway.process.wait()

    wait_until(lambda: not find_running(children), what="its children to end")
