"""Reads the GPUs through pynvml. Every NVML error is translated here and goes no further."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Set
from datetime import UTC, datetime
from typing import Any

import pynvml

from modelops.hardware.problems import (
    GPU_IS_LOST,
    GPU_NOT_FOUND,
    RESET_REQUIRED,
    HardwareProblem,
    describe_gpu_failure,
    describe_machine_failure,
    describe_no_gpu,
)
from modelops.hardware.readings import GpuProcess, GpuReading, HardwareReading, PcieLink
from modelops.hardware.topology import read_links

CARD_FAILURES = frozenset({GPU_IS_LOST, RESET_REQUIRED, GPU_NOT_FOUND})
"""Errors that are about the card, whatever it was asked for. Any other leaves one field unknown."""

NAME_LENGTH = 120
MILLIWATTS = 1000

# The newest form of each list first: an older driver offers only the older one.
PROCESS_LISTS: tuple[tuple[Callable[[Any], Any], ...], ...] = (
    (pynvml.nvmlDeviceGetComputeRunningProcesses_v3, pynvml.nvmlDeviceGetComputeRunningProcesses_v2),
    (pynvml.nvmlDeviceGetGraphicsRunningProcesses_v3, pynvml.nvmlDeviceGetGraphicsRunningProcesses_v2),
    (pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v3, pynvml.nvmlDeviceGetMPSComputeRunningProcesses_v2),
)


def utc_now() -> datetime:
    return datetime.now(UTC)


def read_hardware(
    own_pids: Set[int] = frozenset(), *, now: Callable[[], datetime] = utc_now
) -> HardwareReading:
    """Read every GPU now; blocking, some milliseconds a card. Never raises for what machines do.

    `own_pids` are the process ids of our engines as NVML sees them, each worker's included. NVML is
    opened for each reading, so that a driver that comes, goes or changes meanwhile is noticed.
    """
    taken_at = now()
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as exc:
        return HardwareReading(taken_at, problem=describe_machine_failure(exc.value, str(exc)))
    try:
        return _read_machine(taken_at, own_pids)
    except pynvml.NVMLError as exc:
        return HardwareReading(taken_at, problem=describe_machine_failure(exc.value, str(exc)))
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _read_machine(taken_at: datetime, own_pids: Set[int]) -> HardwareReading:
    cards = [_Card(index) for index in range(pynvml.nvmlDeviceGetCount())]
    gpus = tuple(_read_gpu(card, own_pids) for card in cards)
    handles = {card.index: card.handle for card in cards if card.problem is None}
    return HardwareReading(
        taken_at=taken_at,
        driver_version=clean_text(_ask(pynvml.nvmlSystemGetDriverVersion)),
        cuda_version=_format_cuda_version(_ask(pynvml.nvmlSystemGetCudaDriverVersion)),
        gpus=gpus,
        links=read_links(handles),
        problem=None if cards else describe_no_gpu(),
    )


class _Card:
    """One GPU's handle. Once the card itself has failed, nothing more is asked of it."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.handle: Any = None
        self.problem: HardwareProblem | None = None
        try:
            self.handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        except pynvml.NVMLError as exc:
            self.fail(exc)

    def ask(self, *calls: Callable[..., Any], arguments: tuple[Any, ...] = ()) -> Any:
        """The answer of the first of `calls` that this driver and card offer, or None."""
        for call in calls:
            if self.problem is not None:
                return None
            try:
                return call(self.handle, *arguments)
            except pynvml.NVMLError as exc:
                if exc.value in CARD_FAILURES:
                    self.fail(exc)
            except UnicodeDecodeError:
                return None
        return None

    def fail(self, exc: Any) -> None:
        self.problem = describe_gpu_failure(self.index, exc.value, str(exc))


def _read_gpu(card: _Card, own_pids: Set[int]) -> GpuReading:
    load = card.ask(pynvml.nvmlDeviceGetUtilizationRates)
    pci = card.ask(pynvml.nvmlDeviceGetPciInfo)
    fields: dict[str, Any] = {
        "name": clean_text(card.ask(pynvml.nvmlDeviceGetName)),
        "uuid": clean_text(card.ask(pynvml.nvmlDeviceGetUUID)),
        **_read_memory(card),
        "utilization_percent": load and load.gpu,
        "memory_utilization_percent": load and load.memory,
        "temperature_c": card.ask(
            pynvml.nvmlDeviceGetTemperatureV,
            pynvml.nvmlDeviceGetTemperature,
            arguments=(pynvml.NVML_TEMPERATURE_GPU,),
        ),
        "power_w": _to_watts(card.ask(pynvml.nvmlDeviceGetPowerUsage)),
        "power_limit_w": _to_watts(
            card.ask(pynvml.nvmlDeviceGetEnforcedPowerLimit, pynvml.nvmlDeviceGetPowerManagementLimit)
        ),
        "graphics_clock_mhz": card.ask(
            pynvml.nvmlDeviceGetClockInfo, arguments=(pynvml.NVML_CLOCK_GRAPHICS,)
        ),
        "memory_clock_mhz": card.ask(pynvml.nvmlDeviceGetClockInfo, arguments=(pynvml.NVML_CLOCK_MEM,)),
        "compute_capability": card.ask(pynvml.nvmlDeviceGetCudaComputeCapability),
        "pci_bus_id": clean_text(pci and pci.busId),
        "pcie": _read_pcie(card),
        "processes": _read_processes(card, own_pids),
    }
    return GpuReading(index=card.index, **fields, problem=card.problem)


def _read_memory(card: _Card) -> dict[str, int | None]:
    """The second form tells the driver's own part apart; an older driver counts it as used."""
    memory = card.ask(pynvml.nvmlDeviceGetMemoryInfo, arguments=(pynvml.nvmlMemory_v2,))
    if memory is None:
        memory = card.ask(pynvml.nvmlDeviceGetMemoryInfo)
    if memory is None:
        return {}
    return {
        "total_bytes": memory.total,
        "used_bytes": memory.used,
        "free_bytes": memory.free,
        "reserved_bytes": getattr(memory, "reserved", None),
    }


def _read_pcie(card: _Card) -> PcieLink | None:
    link = PcieLink(
        generation=card.ask(pynvml.nvmlDeviceGetCurrPcieLinkGeneration),
        width=card.ask(pynvml.nvmlDeviceGetCurrPcieLinkWidth),
        max_generation=card.ask(pynvml.nvmlDeviceGetMaxPcieLinkGeneration),
        max_width=card.ask(pynvml.nvmlDeviceGetMaxPcieLinkWidth),
    )
    return None if link == PcieLink() else link


def _read_processes(card: _Card, own_pids: Set[int]) -> tuple[GpuProcess, ...] | None:
    """Each process once, though it may be in the lists of compute, graphics and MPS at the same time."""
    answers = [card.ask(*calls) for calls in PROCESS_LISTS]
    if all(answer is None for answer in answers):
        return None
    used: dict[int, int | None] = {}
    for process in (process for answer in answers for process in answer or ()):
        known = [size for size in (used.get(process.pid), process.usedGpuMemory) if size is not None]
        used[process.pid] = max(known, default=None)
    return tuple(
        GpuProcess(pid=pid, used_bytes=used[pid], name=_name_process(pid), is_ours=pid in own_pids)
        for pid in sorted(used)
    )


def _name_process(pid: int) -> str | None:
    """The program without its arguments: those may hold secrets."""
    name = clean_text(_ask(pynvml.nvmlSystemGetProcessName, pid))
    return name.split(" -", 1)[0] if name else None


def _ask(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except (pynvml.NVMLError, UnicodeDecodeError):
        return None


def clean_text(value: str | bytes | None) -> str | None:
    """`value` as printable text of bounded length; some versions of pynvml give bytes.

    A process chooses its own name: neither a terminal nor the database gets its control characters.
    """
    if value is None:
        return None
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:NAME_LENGTH]


def _format_cuda_version(number: int | None) -> str | None:
    """12080 is 12.8 (`nvmlSystemGetCudaDriverVersion`)."""
    return None if number is None else f"{number // 1000}.{number % 1000 // 10}"


def _to_watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / MILLIWATTS
