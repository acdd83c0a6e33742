"""The simulated engine as an application of Ray Serve: each replica runs one and passes requests on to it.

Ray imports this on the nodes of its cluster, which need this package on their PYTHONPATH, aiohttp and
msgspec. It is not imported by the gateway, whose environment has no Ray.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from ray import serve  # type: ignore[import-not-found,unused-ignore]
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

DEPLOYMENT = "Simulator"
READY_TIMEOUT_S = 3600.0
_POLL_S = 0.05
_TAIL_LINES = 40
_PR_SET_PDEATHSIG = 1
_HOP_BY_HOP = frozenset({"connection", "content-length", "date", "host", "server", "transfer-encoding"})


def build(args: Mapping[str, Any]) -> Any:
    """The application of a command line (`arguments`: `serve MODEL --flag …`) and Ray Serve's `options`."""
    deployment: Any = Simulator
    return deployment.options(**args["options"]).bind(list(args["arguments"]))


@serve.deployment(name=DEPLOYMENT)
class Simulator:
    """One replica. Its constructor returns once the engine listens, and raises with its log where it ends."""

    def __init__(self, arguments: list[str]) -> None:
        self._prefix = serve.get_replica_context().app_name
        self._port = _find_free_port()
        command = [sys.executable, "-u", "-m", "modelops.simulator", *arguments]
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [*command, "--host", "127.0.0.1", "--port", str(self._port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            preexec_fn=_end_with_parent,
        )
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._copying = threading.Thread(target=self._copy_log, daemon=True)
        self._copying.start()
        self._session: aiohttp.ClientSession | None = None
        self._wait_until_listening()

    def check_health(self) -> None:
        """Ray restarts a replica whose check raises."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the engine ended with code {self._process.returncode}")

    async def __call__(self, request: Request) -> Response:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                auto_decompress=False, timeout=aiohttp.ClientTimeout(total=None)
            )
        path = request.url.path.removeprefix(f"/{self._prefix}")
        url = f"http://127.0.0.1:{self._port}{path}"
        answer = await self._session.request(
            request.method,
            f"{url}?{request.url.query}" if request.url.query else url,
            data=await request.body(),
            headers=_end_to_end(request.headers),
        )
        return StreamingResponse(
            _stream(answer), status_code=answer.status, headers=_end_to_end(answer.headers)
        )

    def _wait_until_listening(self) -> None:
        waited_s = 0.0
        pause = threading.Event()
        while waited_s < READY_TIMEOUT_S:
            if self._process.poll() is not None:
                self._copying.join(5)
                raise RuntimeError(
                    f"the engine ended with code {self._process.returncode}:\n" + "\n".join(self._tail)
                )
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            pause.wait(_POLL_S)
            waited_s += _POLL_S
        raise RuntimeError("the engine did not listen in time")

    def _copy_log(self) -> None:
        """Its lines on this replica's output, where Ray keeps them, and the last ones for a failure."""
        for line in self._process.stdout or ():
            self._tail.append(line.rstrip("\n"))
            print(line, end="", flush=True)

    def __del__(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()


async def _stream(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    finally:
        answer.close()


def _end_to_end(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP_BY_HOP}


def _end_with_parent() -> None:
    """Ray kills replicas that do not end in time, and would leave their engines behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
