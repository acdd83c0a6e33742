"""What an operator should know of a reading: what is broken, and what is in the way."""

from __future__ import annotations

from gateway.wording import fill_in, join_texts
from modelops.domain.fit.specs import GIB
from modelops.hardware.problems import HardwareProblem, ProblemCode
from modelops.hardware.readings import GpuProcess, GpuReading, HardwareReading

MEMORY_TAKEN_BYTES = GIB
"""Below this a desktop or the driver itself explains it, and the engine's share leaves room for it."""

NAMED_PROCESSES = 3


def list_problems(reading: HardwareReading) -> tuple[HardwareProblem, ...]:
    """Problems of the machine, of each GPU, and of memory that others hold; in the GPUs' order."""
    found = [reading.problem] if reading.problem else []
    for gpu in reading.gpus:
        problem = gpu.problem or find_taken_memory(gpu)
        if problem:
            found.append(problem)
    return tuple(found)


def find_taken_memory(gpu: GpuReading) -> HardwareProblem | None:
    """The message about memory that is neither free nor ours, None when there is little of it."""
    foreign = [process for process in gpu.processes or () if not process.is_ours]
    listed_bytes = sum(process.used_bytes or 0 for process in foreign)
    taken_bytes = max(listed_bytes, _count_beyond_ours(gpu))
    if taken_bytes < MEMORY_TAKEN_BYTES:
        return None
    message = fill_in(
        "GPU {index}: {size} GiB are held by {holders}, not by this gateway.",
        index=gpu.index,
        size=f"{taken_bytes / GIB:.1f}",
        holders=_name(foreign),
    )
    if foreign:
        advice = fill_in(
            "End these processes if nobody needs them. Otherwise lower gpu_memory_utilization in the "
            "profile, or choose a model that fits into what is left."
        )
    else:
        advice = fill_in(
            "The processes are not visible from here: run `nvidia-smi` on the host, as root, to see them. "
            "In a container, share the host's process ids (`--pid host`)."
        )
    return HardwareProblem(ProblemCode.MEMORY_TAKEN, message, advice, gpu.index)


def _count_beyond_ours(gpu: GpuReading) -> int:
    """Used memory less our own; 0 where our own is not told."""
    ours = [process for process in gpu.processes or () if process.is_ours]
    if gpu.used_bytes is None or any(process.used_bytes is None for process in ours):
        return 0
    return max(0, gpu.used_bytes - gpu.our_bytes)


def _name(processes: list[GpuProcess]) -> str:
    if not processes:
        return fill_in("processes that are not listed")
    largest = sorted(processes, key=lambda process: process.used_bytes or 0, reverse=True)
    names = [
        fill_in("{process} (pid {pid})", process=process.name or fill_in("a process"), pid=process.pid)
        for process in largest[:NAMED_PROCESSES]
    ]
    more = len(processes) - len(names)
    listed = join_texts(", ", names)
    return fill_in("{processes} and {count} more", processes=listed, count=more) if more else listed
