"""What tests need of the machine, tried for real: programs that are installed do not always run."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

PROJECT = Path(__file__).parents[2]
NODE_PROJECT = Path(__file__).with_name("sdk_node")
NO_NODE = "no node and npm: apt-get install nodejs npm"
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--headless"]
TRIAL_TIMEOUT_S = 60.0
STEP_TIMEOUT_S = 600
ERROR_TAIL_CHARS = 2000


class NeedMissing(Exception):
    """The machine has no such thing, or it does not run here; the message says what to do."""


def run_step(command: Sequence[str | Path], folder: Path = PROJECT) -> None:
    """One step of fetching what tests need. Raises NeedMissing with the end of what the program said."""
    done = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=STEP_TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        raise NeedMissing(f"{command[0]} ended with {done.returncode}: {done.stdout[-ERROR_TAIL_CHARS:]}")


def must_have_everything() -> bool:
    """True where nothing may be left out, as in CI."""
    return bool(os.environ.get("GATEWAY_TEST_REQUIRE"))


def skip_loudly(what: str, missing: Exception) -> NoReturn:
    """Leave a test out, which fails it where nothing may be."""
    if must_have_everything():
        pytest.fail(f"GATEWAY_TEST_REQUIRE is set, and nothing can be tested {what}: {missing}")
    pytest.skip(f"NOT TESTED {what}: {missing}")


@dataclass(frozen=True)
class Finding:
    """What came of one trial. `problem` is empty where all is well."""

    name: str
    untested: str
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return f"{self.name}: MISSING, so {self.untested} is not tested: {self.problem}"
        return f"{self.name}: available"


def try_needs() -> list[Finding]:
    """Everything but the stores, which a run keeps running (`gateway.tests.services`)."""
    trials: list[tuple[str, str, Callable[[], object]]] = [
        ("Docker engine", "what runs in containers", try_docker),
        ("Docker Compose", "docker-compose.yml", find_compose_supplies),
        ("Chromium", "what pages do in a browser", try_chromium),
        ("C compiler", "what reads GPUs", try_compiler),
        ("Node.js", "OpenAI's SDK for Node", find_node),
        ("Prometheus", "alerts and dashboards", find_prometheus),
        ("nginx", "the example for nginx", lambda: find_program("nginx")),
        ("Caddy", "the example for Caddy", lambda: find_program("caddy")),
        ("PgBouncer", "pools by transaction", lambda: find_program("pgbouncer")),
        ("Redis with TLS", "encrypted ways to Redis", lambda: find_program("redis-server")),
        ("axe-core", "whether everybody can use the pages", find_axe),
    ]
    with ThreadPoolExecutor(len(trials)) as pool:
        return list(pool.map(lambda trial: find_out(*trial), trials))


def find_out(name: str, untested: str, attempt: Callable[[], object]) -> Finding:
    try:
        attempt()
    except (NeedMissing, OSError, RuntimeError, subprocess.SubprocessError) as exc:
        return Finding(name, untested, f"{exc}")
    return Finding(name, untested)


def try_docker() -> None:
    from gateway.tests.docker_engine.fixtures import open_docker_engine

    with open_docker_engine():
        pass


def find_compose_supplies() -> None:
    """Fetches what is missing: the part with Docker has no network."""
    from gateway.tests.compose.supplies import get_supplies

    get_supplies()


def find_program(name: str) -> str:
    """Debian has servers where only root's PATH looks. Raises NeedMissing."""
    if program := shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin"):
        return program
    raise NeedMissing(f"apt-get install {name}")


def find_chromium() -> str:
    """Its build without windows, where there is one: the other draws a browser around each page."""
    found = filter(None, map(shutil.which, ("chromium-headless-shell", "chromium")))
    if executable := next(found, None):
        return executable
    raise NeedMissing("apt-get install chromium-headless-shell")


def try_chromium() -> None:
    page = [*CHROMIUM_ARGUMENTS, "--dump-dom", "about:blank"]
    shown = subprocess.run(
        [find_chromium(), *page], capture_output=True, text=True, timeout=TRIAL_TIMEOUT_S, check=False
    )
    if "<html>" not in shown.stdout:
        raise NeedMissing(f"it shows no page: {shown.stderr[-500:]}")


def find_prometheus(program: str = "prometheus") -> str:
    """The server, or `promtool` or `amtool`, which come with it. Raises NeedMissing."""
    if executable := shutil.which(program):
        return executable
    raise NeedMissing("apt-get install prometheus prometheus-alertmanager")


def try_compiler() -> None:
    from modelops.tests.hardware.stub import compile_stub

    with tempfile.TemporaryDirectory() as folder:
        compile_stub(Path(folder))


@functools.cache
def find_node() -> str:
    """Node.js, with the SDK installed beside the scenario. Raises NeedMissing."""
    node = shutil.which("node")
    if node is None:
        raise NeedMissing(NO_NODE)
    if not (NODE_PROJECT / "node_modules" / "openai").is_dir():
        _install_packages(NODE_PROJECT)
    return node


@functools.cache
def find_axe() -> Path:
    """The script that judges pages, of the packages that check their modules. Raises NeedMissing."""
    script = PROJECT / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        _install_packages(PROJECT)
        (PROJECT / "node_modules" / ".installed").touch()  # for the Makefile
    return script


def _install_packages(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NeedMissing(NO_NODE)
    installed = subprocess.run(
        [npm, "ci", "--silent"], cwd=folder, capture_output=True, text=True, check=False
    )
    if installed.returncode:
        raise NeedMissing(f"npm ci failed: {installed.stderr[-300:]}")
