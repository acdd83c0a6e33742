"""The last lines of engines and of our own processes, for a support bundle."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from docker import APIClient

from gateway.doctor.findings import VantagePoint
from modelops.models import Engine
from modelops.runtimes.base import RuntimeFailure
from modelops.runtimes.docker_connection import DockerConnection
from modelops.runtimes.docker_errors import DOCKER_ERRORS
from modelops.switching.selectors import read_log_tail

ENGINES = 5
ENGINE_LINES = 500
OWN_LINES = 500
READ_LINES = 20_000
"""From the end of a log of ours, of which the warnings and errors are kept."""
COMPOSE_PROJECT, COMPOSE_SERVICE = "com.docker.compose.project", "com.docker.compose.service"
LEFT_OUT = "[a line that may quote a request]"

QUOTES_REQUEST = re.compile(
    r"""received\ request
      | \bprompts?\b ["']? \s* [:=]
      | ["'] (?:content|messages|input|text) ["'] \s* :
    """,
    re.IGNORECASE | re.VERBOSE,
)
"""vLLM logs prompts with --enable-log-requests, and quotes bodies that it refuses."""

SERIOUS = ("warning", "error", "critical")
TRACEBACK = re.compile(r"^(?:Traceback|\s+File |\w*(?:Error|Exception)\b)")


def read_engine_logs() -> dict[str, str]:
    """By file name, the last lines of the engines that were started last."""
    logs = {}
    for engine in Engine.objects.order_by("-created_at", "-id")[:ENGINES]:
        lines, _is_cut = read_log_tail(engine, ENGINE_LINES)
        logs[f"{engine.name}.log"] = "\n".join(hide_requests(lines))
    return logs


def hide_requests(lines: Iterable[str]) -> list[str]:
    return [LEFT_OUT if QUOTES_REQUEST.search(line) else line for line in lines]


def read_own_logs(vantage: VantagePoint) -> dict[str, str]:
    """Warnings and errors of web and switcher: from files of `make run`, or through Docker."""
    logs: dict[str, str] = {}
    for path in sorted(Path(vantage.config.data_dir).glob("*.log")):
        with path.open(encoding="utf-8", errors="replace") as file:
            logs[path.name] = _write(deque(file, maxlen=READ_LINES))
    if vantage.sees_docker:
        logs |= _read_compose_logs(vantage)
    if not logs:
        logs["README.txt"] = (
            "These processes log to their standard output, which cannot be read from here. With Docker "
            "Compose, run this on the host: docker compose logs --since 24h web switcher"
        )
    return logs


def _read_compose_logs(vantage: VantagePoint) -> dict[str, str]:
    """Of the other services of the project that this container belongs to, with their names."""
    connection = DockerConnection(vantage.config.docker_host)
    try:
        api = connection.api()
        project = _find_project(api, vantage.host)
        found = api.containers(all=True, filters={"label": f"{COMPOSE_PROJECT}={project}"}) if project else []
        return {
            f"{container['Labels'].get(COMPOSE_SERVICE, 'service')}-{container['Id'][:12]}.log": _write(
                api.logs(container["Id"], tail=READ_LINES).decode(errors="replace").splitlines()
            )
            for container in found
        }
    except (*DOCKER_ERRORS, RuntimeFailure) as exc:
        return {"docker.missing.txt": f"{type(exc).__name__}: {exc}"}
    finally:
        connection.close()


def _find_project(api: APIClient, host: str) -> str:
    """Empty outside of a container of Compose's. A container's host name is the beginning of its id."""
    labels = api.inspect_container(host)["Config"]["Labels"] or {}
    return str(labels.get(COMPOSE_PROJECT, ""))


def _write(lines: Iterable[str]) -> str:
    kept = deque((line.rstrip("\n") for line in lines if is_serious(line)), maxlen=OWN_LINES)
    return "\n".join(hide_requests(kept))


def is_serious(line: str) -> bool:
    """A warning or worse, in JSON or in the form for a terminal, or a part of a traceback."""
    if line.startswith("{"):
        try:
            return json.loads(line).get("level") in SERIOUS
        except ValueError:
            return True
    return bool(TRACEBACK.match(line)) or any(f"[{level}" in line.lower() for level in SERIOUS)
