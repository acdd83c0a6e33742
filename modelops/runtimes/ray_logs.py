"""The log of an application: what Ray Serve says of it, and the output of its replicas."""

from __future__ import annotations

import re
import threading
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.wording import fill_in
from modelops.runtimes.base import RuntimeFailure
from modelops.runtimes.lines import LineSplitter
from modelops.runtimes.ray_dashboard import RayDashboard
from modelops.runtimes.ray_states import FAILED, list_messages, list_workers

POLL_PERIOD_S = 1.0
FETCHED_LINES = 2000
MARKER_LINES = 8
FOLLOWED_WORKERS = 4
"""Replicas beyond these say the same."""
LAST_LINES_S = 3.0
_OF_RAY = re.compile(r":job_id:|:actor_name:|:task_name:")


class RayLogFollower:
    """A LogFollower. A thread asks the dashboard, which keeps each replica's output in files of its node."""

    def __init__(self, name: str, dashboard: RayDashboard) -> None:
        if name not in dashboard.list_applications():
            raise RuntimeFailure(fill_in("There is no application {name}.", name=name))
        self._name = name
        self._dashboard = dashboard
        self._lines: deque[str] = deque()
        self._said: list[str] = []
        self._tails: defaultdict[tuple[str, str], FileTail] = defaultdict(FileTail)
        self._stop = threading.Event()
        self._is_complete = threading.Event()
        self._thread = threading.Thread(target=self._follow, name=f"ray-log-{name}", daemon=True)
        self._thread.start()

    def read(self) -> list[str]:
        """Once the application failed, this waits a moment for the rest, which says why."""
        if self._has_failed() and not self._is_complete.is_set():
            self._is_complete.wait(LAST_LINES_S)
        return [self._lines.popleft() for _ in range(len(self._lines))]

    def close(self) -> None:
        self._stop.set()

    def _has_failed(self) -> bool:
        application = self._find()
        return application is not None and application.get("status") == FAILED

    def _follow(self) -> None:
        while not self._stop.is_set():
            application = self._find()
            if application is not None:
                for node_id, worker_id in list(list_workers(application))[:FOLLOWED_WORKERS]:
                    self._take_output(node_id, worker_id)
                self._take_messages(list_messages(application))
                if application.get("status") == FAILED:
                    self._is_complete.set()
                    return
            self._stop.wait(POLL_PERIOD_S)

    def _find(self) -> Mapping[str, Any] | None:
        """The application's details; None while the cluster does not answer, or without one."""
        try:
            return self._dashboard.list_applications().get(self._name)
        except RuntimeFailure:
            return None

    def _take_messages(self, messages: list[str]) -> None:
        """Those that were not said the last time."""
        self._lines.extend(line for line in messages if line not in self._said)
        self._said = messages

    def _take_output(self, node_id: str, worker_id: str) -> None:
        try:
            for filename in self._dashboard.list_logs(node_id, worker_id):
                content = self._dashboard.read_log(node_id, filename, lines=FETCHED_LINES)
                self._lines.extend(self._tails[node_id, filename].take(content))
        except RuntimeFailure:
            return  # a node that is gone, or a moment's silence: it is asked again


class FileTail:
    """The lines of a file of which the end is fetched again and again, each of them once."""

    def __init__(self) -> None:
        self._end: Sequence[str] = ()

    def take(self, content: bytes) -> Sequence[str]:
        """What came since the last call. A line without its end is left for the next one."""
        lines = [line for line in LineSplitter().feed(content) if not _OF_RAY.match(line)]
        new = find_new(lines, self._end)
        self._end = lines[-MARKER_LINES:] or self._end
        return new


def find_new(lines: Sequence[str], end: Sequence[str]) -> Sequence[str]:
    """Of a file's last lines, those after what were its last ones before; all where those are not there."""
    length = min(len(end), len(lines))
    for at in range(len(lines) - length, -1, -1):
        if length and list(lines[at : at + length]) == list(end[-length:]):
            return lines[at + length :]
    return lines
