"""Following a container's log on a thread, without ever losing or repeating a line."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from datetime import datetime

from docker import APIClient
from docker.errors import DockerException, NotFound

from modelops.runtimes.base import RuntimeFailure
from modelops.runtimes.docker_connection import DockerConnection
from modelops.runtimes.docker_errors import DOCKER_ERRORS
from modelops.runtimes.lines import LineSplitter

MAXIMUM_WAITING_CHARACTERS = 4 * 2**20
RECONNECT_S = 0.1


class DockerLogFollower:
    """A LogFollower. Its thread stops reading while MAXIMUM_WAITING_CHARACTERS wait for `read`."""

    def __init__(self, connection: DockerConnection, container_id: str) -> None:
        self._connection = connection
        self._container_id = container_id
        self._splitter = LineSplitter()
        self._changed = threading.Condition()
        self._lines: deque[str] = deque()
        self._waiting_characters = 0
        self._is_closed = threading.Event()
        self._last_timestamp = b""
        self._stream: object = None
        self._thread = threading.Thread(target=self._run, name=f"log of {container_id[:12]}", daemon=True)
        self._thread.start()

    def read(self) -> list[str]:
        with self._changed:
            lines = list(self._lines)
            self._lines.clear()
            self._waiting_characters = 0
            self._changed.notify_all()
        return lines

    def read_to_end(self, timeout_s: float = 10.0) -> list[str]:
        """Wait for the end of a log whose container has ended, and answer what `read` did not yet."""
        self._thread.join(timeout_s)
        return self.read()

    def close(self) -> None:
        self._is_closed.set()
        with self._changed:
            self._changed.notify_all()
        self._cut_stream()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._is_closed.is_set():
            with contextlib.suppress(RuntimeFailure, *DOCKER_ERRORS):
                if self._follow_once():
                    break
            # The stream broke while the container runs, or the engine is away: go on when it is back.
            self._is_closed.wait(RECONNECT_S)
        self._hand_over(self._splitter.finish())

    def _follow_once(self) -> bool:
        """Read until the stream ends; whether that was the log's end."""
        api = self._connection.open_another()
        try:
            was_running = _is_running(api, self._container_id)
            self._read_stream(api)
        except NotFound:
            return True
        finally:
            self._stream = None
            api.close()
        return not was_running

    def _read_stream(self, api: APIClient) -> None:
        seen = self._last_timestamp
        since = _whole_seconds(seen) if seen else None
        stream = api.logs(self._container_id, stream=True, follow=True, timestamps=True, since=since)
        self._stream = stream
        try:
            for frame in stream:
                if self._is_closed.is_set():
                    return
                # The time in nanoseconds, always as long, a blank and the text. Pieces of one long line
                # share their time, so that only after a break it tells what came before.
                timestamp, _, text = frame.partition(b" ")
                if timestamp > seen:
                    self._last_timestamp = timestamp
                    self._hand_over(self._splitter.feed(text))
        finally:
            self._cut_stream()

    def _hand_over(self, lines: list[str]) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._waiting_characters < MAXIMUM_WAITING_CHARACTERS or self._is_closed.is_set()
            )
            self._lines.extend(lines)
            self._waiting_characters += sum(map(len, lines))

    def _cut_stream(self) -> None:
        stream = self._stream
        if stream is not None:
            # The other thread may close it at the same time.
            with contextlib.suppress(DockerException, OSError, AttributeError):
                stream.close()  # type: ignore[attr-defined]


def _is_running(api: APIClient, container_id: str) -> bool:
    return bool(api.inspect_container(container_id)["State"]["Running"])


def _whole_seconds(timestamp: bytes) -> int:
    """Seconds since 1970, rounded down: what comes twice then is told by its full time."""
    return int(datetime.fromisoformat(timestamp.decode()).timestamp())
