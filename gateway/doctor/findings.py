"""What a check of the doctor answers, and what it may know of the process that runs it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from gateway.conf import GatewayConfig
from gateway.wording import Translatable

CONTAINER_MARKS = (Path("/.dockerenv"), Path("/run/.containerenv"))
DOCKER_SOCKET = Path("/var/run/docker.sock")
RUN_IN_SWITCHER = "docker compose exec switcher python manage.py doctor"


class FindingKind(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Worth knowing, and no reason to act at once."""
    PROBLEM = "problem"
    UNKNOWN = "unknown"
    """It cannot be seen from here, or did not answer in time."""


VERDICTS: Mapping[FindingKind, Translatable] = {
    FindingKind.OK: "ok",
    FindingKind.NOTE: "note",
    FindingKind.PROBLEM: "PROBLEM",
    FindingKind.UNKNOWN: "unknown",
}
"""As people read them."""


@dataclass(frozen=True)
class Finding:
    """One sentence about one thing. `id` is stable, for scripts; `advice` says what to do, where it helps."""

    id: str
    verdict: FindingKind
    message: str
    advice: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Plain JSON values behind the sentence."""


@dataclass(frozen=True, kw_only=True)
class VantagePoint:
    """The process that asks. Web's container sees neither Docker nor GPUs, and is not meant to."""

    config: GatewayConfig
    has_database: bool = True
    """Whether rows can be read: nothing is asked of a database that does not answer."""
    url: str = ""
    """Where people reach the gateway, where the operator named it."""

    @property
    def host(self) -> str:
        return socket.gethostname()

    @property
    def is_container(self) -> bool:
        return any(mark.exists() for mark in CONTAINER_MARKS)

    @property
    def sees_docker(self) -> bool:
        """Whether there is a Docker engine to ask: one that DOCKER_HOST names, or a socket."""
        host = self.config.docker_host
        if host and not host.startswith("unix:"):
            return True
        return self.docker_socket.exists()

    @property
    def docker_socket(self) -> Path:
        host = self.config.docker_host
        return Path(host.removeprefix("unix://")) if host.startswith("unix:") else DOCKER_SOCKET

    def describe(self) -> dict[str, Any]:
        return {
            "host": self.host,
            "pid": os.getpid(),
            "in_container": self.is_container,
            "sees_docker": self.sees_docker,
        }


@dataclass(frozen=True)
class DoctorCheck:
    """`look` may block, and may raise: it runs on a thread of its own and is given up after `timeout_s`."""

    id: str
    look: Callable[[VantagePoint], Iterable[Finding]]
    needs_database: bool = False
    timeout_s: float = 8.0
