"""What can go wrong on demand, and when it strikes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Every fault that ``--sim-fault`` knows."""

    # While starting
    GPU_OCCUPIED = "gpu_occupied"
    CUDA_OOM = "cuda_oom"
    NO_KV_BLOCKS = "no_kv_blocks"
    CONTEXT_TOO_LONG_FOR_KV = "context_too_long_for_kv"
    HEADS_NOT_DIVISIBLE = "heads_not_divisible"
    CONTEXT_BEYOND_POSITIONS = "context_beyond_positions"
    GATED_REPO = "gated_repo"
    NO_DISK = "no_disk"
    NO_SHM = "no_shm"
    NCCL_ERROR = "nccl_error"
    PORT_IN_USE = "port_in_use"
    KILLED = "killed"
    FILL_HOST_MEMORY = "fill_host_memory"
    HANG_LOADING = "hang_loading"
    # As long as it serves
    NEVER_HEALTHY = "never_healthy"
    WRONG_SERVED_NAME = "wrong_served_name"
    HANG_ON_SIGTERM = "hang_on_sigterm"
    # Instead of an answer (the first --sim-after requests are served well)
    ENGINE_DEAD = "engine_dead"
    CRASH_AFTER_REQUESTS = "crash_after_requests"
    REFUSE = "refuse"
    HANG_FIRST_TOKEN = "hang_first_token"  # noqa: S105 - a fault, not a secret
    ERROR_STATUS = "error_status"
    # Within an answer (after --sim-after tokens)
    STALL_MID_STREAM = "stall_mid_stream"
    CUT_MID_STREAM = "cut_mid_stream"
    END_WITHOUT_DONE = "end_without_done"
    IN_BAND_ERROR = "in_band_error"
    GARBAGE = "garbage"
    CRASH_MID_STREAM = "crash_mid_stream"


START_FAULTS = frozenset(
    {
        Fault.GPU_OCCUPIED,
        Fault.CUDA_OOM,
        Fault.NO_KV_BLOCKS,
        Fault.CONTEXT_TOO_LONG_FOR_KV,
        Fault.HEADS_NOT_DIVISIBLE,
        Fault.CONTEXT_BEYOND_POSITIONS,
        Fault.GATED_REPO,
        Fault.NO_DISK,
        Fault.NO_SHM,
        Fault.NCCL_ERROR,
        Fault.PORT_IN_USE,
        Fault.KILLED,
        Fault.FILL_HOST_MEMORY,
        Fault.HANG_LOADING,
    }
)
REQUEST_FAULTS = frozenset(
    {
        Fault.ENGINE_DEAD,
        Fault.CRASH_AFTER_REQUESTS,
        Fault.REFUSE,
        Fault.HANG_FIRST_TOKEN,
        Fault.ERROR_STATUS,
    }
)
STREAM_FAULTS = frozenset(
    {
        Fault.STALL_MID_STREAM,
        Fault.CUT_MID_STREAM,
        Fault.END_WITHOUT_DONE,
        Fault.IN_BAND_ERROR,
        Fault.GARBAGE,
        Fault.CRASH_MID_STREAM,
    }
)
PER_REQUEST_FAULTS = (REQUEST_FAULTS | STREAM_FAULTS) - {
    Fault.ENGINE_DEAD,
    Fault.CRASH_AFTER_REQUESTS,
    Fault.CRASH_MID_STREAM,
}


@dataclass(frozen=True, slots=True)
class InjectedFault:
    """The one fault that hits one request; ``after_tokens`` matters to stream faults only."""

    fault: Fault
    after_tokens: int
    status: int


class FaultSchedule:
    """Decides which requests are hit by the faults given on the command line.

    One per process; not thread-safe (the server has one event loop).
    """

    def __init__(self, *, faults: tuple[Fault, ...], after: int, times: int, status: int) -> None:
        self._faults = tuple(fault for fault in faults if fault in REQUEST_FAULTS | STREAM_FAULTS)
        self._after = after
        self._times = times
        self._status = status
        self._requests_seen = 0
        self._strikes = 0

    def strike_next_request(self) -> InjectedFault | None:
        """Count one generation request and return its fault, if it has one."""
        self._requests_seen += 1
        if self._times and self._strikes >= self._times:
            return None
        for fault in self._faults:
            if fault in REQUEST_FAULTS and self._requests_seen <= self._after:
                continue
            self._strikes += 1
            return InjectedFault(fault=fault, after_tokens=self._after, status=self._status)
        return None
