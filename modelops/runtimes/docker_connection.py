"""Connections to a Docker engine, made when first needed."""

from __future__ import annotations

import os
import threading

from docker import APIClient
from docker.utils import kwargs_from_env

from gateway.wording import fill_in
from modelops.runtimes.docker_errors import translated_errors

QUICK_TIMEOUT_S = 5.0
"""Of calls that only look: shorter than a switcher's lease, should the engine hang."""
PATIENT_TIMEOUT_S = 60.0
"""Of calls that make Docker work: creating, starting, and removing, which waits for processes to die."""


class DockerConnection:
    """`host` as in DOCKER_HOST; empty means the socket on this machine. Thread-safe."""

    def __init__(self, host: str) -> None:
        self.host = host
        self._lock = threading.Lock()
        self._clients: dict[float, APIClient] = {}

    @property
    def is_local(self) -> bool:
        return not self.host or self.host.startswith("unix:")

    def api(self) -> APIClient:
        """The connection that all quick calls share. Raises RuntimeUnavailable."""
        return self._get(QUICK_TIMEOUT_S)

    def patient_api(self) -> APIClient:
        """The one for calls that take their time. Raises RuntimeUnavailable."""
        return self._get(PATIENT_TIMEOUT_S)

    def open_another(self) -> APIClient:
        """A connection of the caller's own, for long streams; close it. Raises RuntimeUnavailable."""
        return self._connect(QUICK_TIMEOUT_S, self.api().api_version)

    def close(self) -> None:
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()

    def _get(self, timeout_s: float) -> APIClient:
        with self._lock:
            if timeout_s not in self._clients:
                self._clients[timeout_s] = self._connect(timeout_s, None)
            return self._clients[timeout_s]

    def _connect(self, timeout_s: float, version: str | None) -> APIClient:
        # With the TLS variables that Docker's own programs read.
        options = kwargs_from_env({**os.environ, "DOCKER_HOST": self.host})
        with translated_errors(fill_in("to connect")):
            # Without a version the constructor asks the engine for its own.
            return APIClient(
                **options,
                version=version,
                timeout=timeout_s,  # type: ignore[arg-type]
                use_ssh_client=self.host.startswith("ssh:"),
            )
