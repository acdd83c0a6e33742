"""Several web processes on one socket, replaced when they end, with one set of metrics."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.multiprocess import mark_process_dead
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess

from gateway.locks import lock_folder
from gateway.scrape_values import METRICS_FOLDER

FOLDER_PREFIX = "gateway-metrics-"
LEFT_BEHIND_S = 60
"""A folder of that age whose lock nobody holds belongs to a gateway that was killed."""

MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - ours is private, and a new one at each start


class WebProcesses(Multiprocess):
    """uvicorn's supervisor, which also takes the gauges of a process that ended out of the metrics."""

    def keep_subprocess_alive(self) -> None:
        before = {process.pid for process in self.processes}
        super().keep_subprocess_alive()
        for pid in before - {process.pid for process in self.processes}:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]

    @property
    def have_failed(self) -> bool:
        """Whether one of them could not start, which ends the whole."""
        return any(process.exitcode == STARTUP_FAILURE for process in self.processes)


@contextlib.contextmanager
def shared_metrics() -> Iterator[None]:
    """While inside, processes that are started count together: in a private folder, empty at the start.

    In memory where there is /dev/shm, as each count is a write; containers have it on a read-only root too.
    """
    place = MEMORY_FOLDER if os.access(MEMORY_FOLDER, os.W_OK) else Path(tempfile.gettempdir())
    remove_left_behind(place)
    with (
        tempfile.TemporaryDirectory(prefix=FOLDER_PREFIX, dir=place) as folder,
        lock_folder(Path(folder), "lock") or contextlib.nullcontext(),
    ):
        os.environ[METRICS_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[METRICS_FOLDER]


def remove_left_behind(place: Path) -> None:
    """What gateways that were killed, and so could not tidy up, have left there."""
    for folder in place.glob(f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or just gone
            is_old = time.time() - folder.stat().st_mtime > LEFT_BEHIND_S
            if is_old and (lock := lock_folder(folder, "lock")):
                with lock:
                    shutil.rmtree(folder)
