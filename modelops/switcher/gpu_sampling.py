"""The GPUs, read beside the loop: for plans, for proof that memory was freed, and for the history."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Set

import structlog
from django.db import Error as DatabaseError

from gateway.wording import fill_in
from modelops.fit.gpu_choice import GpuChoice, choose_seen
from modelops.hardware import GpuProcess, GpuReading, HardwareReading
from modelops.hardware.nvml import read_hardware
from modelops.hardware.sampling import ChangeLog, record_reading
from modelops.switcher.effects import Effects

log = structlog.get_logger()

RECORD_PERIOD_S = 10.0
PRUNE_PERIOD_S = 300.0
READ_PERIOD_S = 0.5
"""The period while a switch waits for memory to become free."""
FIRST_READING_S = 30.0
TOLERANCE_BYTES = 64 * 2**20


class GpuSampler:
    """Knows the last reading. NVML may hang with a broken driver: it is never called in the loop."""

    def __init__(
        self, effects: Effects, *, read: Callable[[Set[int]], HardwareReading] = read_hardware
    ) -> None:
        self._effects = effects
        self._read = read
        self._changes = ChangeLog()
        self._recorded_at = self._read_at = -RECORD_PERIOD_S
        self._pruned_at = -PRUNE_PERIOD_S
        self._begun_at = time.monotonic()
        self.reading: HardwareReading | None = None

    def refresh(self, own_pids: Collection[int], *, is_urgent: bool) -> None:
        """Read and record as often as is due; never waits."""
        now = time.monotonic()
        period_s = READ_PERIOD_S if is_urgent else RECORD_PERIOD_S
        if now - self._read_at < period_s and not self._effects.is_known("read-gpus"):
            return
        pids = frozenset(own_pids)
        outcome = self._effects.attempt("read-gpus", lambda: self._read(pids))
        if outcome is None:
            return
        self._read_at = now
        if outcome.error is not None:
            log.warning("gpus_not_read", error=str(outcome.error))
            return
        self.reading = outcome.value
        if now - self._recorded_at >= RECORD_PERIOD_S:
            self._record(self.reading)
            self._recorded_at = now

    def choose(self) -> GpuChoice:
        """The cards as they will be once our own engine has stopped."""
        return choose_seen(self.reading)

    @property
    def is_late(self) -> bool:
        """Nothing was read, and that takes too long to go on waiting for it."""
        return self.reading is None and time.monotonic() - self._begun_at > FIRST_READING_S

    def find_held(self, uuids: Collection[str], utilization: float) -> list[GpuReading] | None:
        """The cards among these with less free memory than an engine of this utilization insists on; None
        where that is not known."""
        if self.reading is None:
            return None
        wanted = [gpu for gpu in self.reading.gpus if gpu.uuid in uuids or str(gpu.index) in uuids]
        return [gpu for gpu in wanted if _lacks(gpu, utilization)]

    def _record(self, reading: HardwareReading) -> None:
        self._changes.note(reading)
        now = time.monotonic()
        prunes = now - self._pruned_at >= PRUNE_PERIOD_S
        try:
            record_reading(reading, prunes=prunes)
            self._pruned_at = now if prunes else self._pruned_at
        except DatabaseError as exc:
            # The next reading finds it again.
            log.warning("hardware_sample_not_stored", error=str(exc))


def _lacks(gpu: GpuReading, utilization: float) -> bool:
    if gpu.total_bytes is None or gpu.free_bytes is None:
        return False
    return gpu.free_bytes + TOLERANCE_BYTES < utilization * gpu.total_bytes


def _name_process(process: GpuProcess, gpu: int) -> str:
    name = process.name or fill_in("a process")
    if not process.used_bytes:
        return fill_in("{process} (pid {pid} on GPU {gpu})", process=name, pid=process.pid, gpu=gpu)
    size = f"{process.used_bytes / 2**30:.1f} GiB"
    return fill_in(
        "{process} (pid {pid} on GPU {gpu}, {size})", process=name, pid=process.pid, gpu=gpu, size=size
    )


def name_holders(gpus: Collection[GpuReading]) -> list[str]:
    """The processes on these cards, for people."""
    named = []
    for gpu in gpus:
        for process in gpu.processes or ():
            named.append(_name_process(process, gpu.index))
    return named
