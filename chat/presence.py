"""Reports to the switcher that this web process lives, the epoch it acts on and its open requests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket

from chat.engine_admission import EngineAdmission
from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable
from gateway.ids import new_id
from modelops.serving.candidates import CandidateWatch
from modelops.serving.web_presence import Presence, identify_network, remove_presence, write_presence

HEARTBEAT_S = 2.0
MINIMUM_PERIOD_S = 0.05
"""Between two writes, however often the counts change."""


class PresenceKeeper:
    """Writes this process's row: at once after a change that the switcher waits for, else as a heartbeat.

    Epoch and counts are read together when a write begins, and writes do not overlap. So a request that was
    admitted before an epoch was acknowledged is in the count that is written with that epoch.
    """

    def __init__(self, worker: BatchWorker, candidates: CandidateWatch) -> None:
        self.id = new_id()
        self._network = identify_network()
        self._candidates = candidates
        self._worker = worker
        self._has_news = asyncio.Event()

    def announce(self) -> None:
        """Write soon."""
        self._has_news.set()

    async def write(self, admission: EngineAdmission | None = None) -> None:
        """Write now; without `admission`, only that this process is there. Raises DependencyUnavailable."""
        self._has_news.clear()
        presence = Presence(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            slots=admission.presence() if admission is not None else {},
            network=self._network,
            reached=self._candidates.reached,
        )
        await self._worker.submit(write_presence, presence)

    async def keep(self, admission: EngineAdmission) -> None:
        """Write for ever. Raises DependencyUnavailable."""
        while True:
            await self.write(admission)
            await asyncio.sleep(MINIMUM_PERIOD_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._has_news.wait()

    async def remove(self) -> None:
        """Remove this process's row. If the database does not answer, the row expires by its age."""
        with contextlib.suppress(DependencyUnavailable):
            await self._worker.submit(remove_presence, self.id)
