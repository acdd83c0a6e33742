"""The gateway under test: one web process, as production runs it, with an account and its tokens."""

from __future__ import annotations

import http.client
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.children import (
    BenchmarkError,
    Process,
    accepts_connections,
    running,
    wait_until_ready,
)
from benchmarks.scenarios import StoredConversation
from benchmarks.stores import Stores
from modelops.simulator.process import find_free_port

PROJECT = Path(__file__).resolve().parent.parent
TOKENS = 16
USERNAME = "benchmark"


@dataclass(frozen=True)
class GatewayProcess:
    process: Process
    port: int
    token_file: Path
    environment: Mapping[str, str]


def gateway_environment(stores: Stores, *, engine_port: int, folder: Path, password: str) -> dict[str, str]:
    """What an operator would set, with the limits on but out of reach."""
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {
        "DATABASE_URL": stores.database_url,
        "REDIS_URL": stores.redis_url,
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_ENV_FILE": str(folder / "no.env"),
        "SECRET_KEY": secrets.token_hex(32),
        "JWT_SECRET": secrets.token_hex(32),
        "VLLM_BASE_URL": f"http://127.0.0.1:{engine_port}",
        "RATE_LIMIT_REQUESTS": "1000000000",
        "TOKEN_LIMIT": "1000000000000",
        "MAX_CONCURRENT_STREAMS": "1000000",
        "LOGIN_RATE": "1000/m",
        "REST_RATE": "0/m",
        # Else each new conversation costs a second request to the engine, in the background.
        "AUTO_TITLES": "false",
        "REGISTRATION": "true",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
        "DJANGO_SUPERUSER_PASSWORD": password,
    }


@contextmanager
def running_gateway(
    stores: Stores,
    *,
    engine_port: int,
    folder: Path,
    core: int | None,
    project: Path = PROJECT,
    settings: Mapping[str, str] | None = None,
) -> Iterator[GatewayProcess]:
    """One process of `project`, its database migrated. Raises BenchmarkError if it does not come up."""
    password = secrets.token_urlsafe(16)
    environment = gateway_environment(stores, engine_port=engine_port, folder=folder, password=password)
    environment |= settings or {}
    _manage(project, environment, "migrate", "--no-input")
    superuser = ("--username", USERNAME, "--email", "bench@example.com")
    _manage(project, environment, "createsuperuser", "--no-input", *superuser)
    with _serving(environment, log=folder / "gateway.log", core=core, project=project) as (process, port):
        token_file = folder / "tokens"
        token_file.write_text("\n".join(_log_in(port, password) for _ in range(TOKENS)))
        yield GatewayProcess(process, port, token_file, environment)


@contextmanager
def another_process(gateway: GatewayProcess) -> Iterator[GatewayProcess]:
    """A second web process on the stores of the first."""
    log = gateway.token_file.with_name("another.log")
    with _serving(gateway.environment, log=log, core=None, project=PROJECT) as (process, port):
        yield replace(gateway, process=process, port=port)


@contextmanager
def _serving(
    environment: Mapping[str, str], *, log: Path, core: int | None, project: Path
) -> Iterator[tuple[Process, int]]:
    port = find_free_port()
    command = [sys.executable, "manage.py", "run_web", "--port", str(port), "--shutdown-timeout", "2"]
    with running(command, log=log, core=core, environment=environment, folder=project) as process:
        wait_until_ready(process, lambda: accepts_connections(port), log=log)
        yield process, port


def store_conversations(gateway: GatewayProcess) -> dict[int, list[StoredConversation]]:
    """Conversations that clients go on with, by their number of turns."""
    made = _run(
        [sys.executable, "-m", "benchmarks.seeding", USERNAME, "32x20", "1x2000"], gateway.environment
    )
    return {
        int(turns): [StoredConversation(*ids) for ids in kind] for turns, kind in json.loads(made).items()
    }


def _manage(project: Path, environment: Mapping[str, str], *arguments: str) -> None:
    _run([sys.executable, "manage.py", *arguments], environment, project)


def _run(command: Sequence[str], environment: Mapping[str, str], folder: Path = PROJECT) -> str:
    result = subprocess.run(
        command, cwd=folder, env=dict(environment), capture_output=True, text=True, timeout=300
    )
    if result.returncode:
        raise BenchmarkError(f"{' '.join(command[1:3])} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def _log_in(port: int, password: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    body = json.dumps({"username": USERNAME, "password": password})
    connection.request("POST", "/api/auth/login", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    if response.status != 200:
        raise BenchmarkError(f"Log-in was answered {response.status}: {answer.decode(errors='replace')}")
    token: str = json.loads(answer)["access_token"]
    return token
