"""A reading as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap

from django.utils.translation import gettext

from gateway.columns import pad
from gateway.wording import Translatable, fill_in, fill_text, say
from modelops.domain.fit.specs import GIB
from modelops.hardware.notices import list_problems
from modelops.hardware.problems import HardwareProblem
from modelops.hardware.readings import GpuLink, GpuProcess, GpuReading, HardwareReading, LinkPath

BAR_CELLS = 30
WIDTH = 100
UNKNOWN = "?"
LABEL_COLUMNS = 7

PATH_NAMES: Mapping[LinkPath | None, Translatable] = {
    LinkPath.NVLINK: "NVLink",
    LinkPath.SAME_BOARD: "the same board",
    LinkPath.PCIE_SWITCH: "one PCIe switch",
    LinkPath.PCIE_SWITCHES: "several PCIe switches",
    LinkPath.HOST_BRIDGE: "PCIe, through the host bridge",
    LinkPath.NUMA_NODE: "PCIe, through several host bridges",
    LinkPath.SYSTEM: "PCIe, across CPUs",
    None: "an unknown path",
}


def format_reading(reading: HardwareReading) -> str:
    """Everything an operator asks first: memory, load, heat, power, processes, problems with advice."""
    lines = [_format_heading(reading)]
    for gpu in reading.gpus:
        lines += ["", *_format_gpu(gpu)]
    if reading.links:
        lines += ["", *(_format_link(link) for link in reading.links)]
    problems = list_problems(reading)
    for problem in problems:
        lines += ["", *_format_problem(problem)]
    return "\n".join(lines)


def format_history(readings: Iterable[tuple[str, HardwareReading]]) -> str:
    """One line a GPU and reading, oldest first; `readings` are pairs of host and reading."""
    lines = [line for host, reading in readings for line in _format_moment(host, reading)]
    heads = [gettext("taken at (UTC)"), gettext("host"), "GPU", gettext("used"), gettext("load")]
    heads += [gettext("temp"), gettext("power")]
    widths = (19, 16, 3, -9, -5, -6, -6)
    heading = "  ".join(pad(head, width) for head, width in zip(heads, widths, strict=True))
    return "\n".join([heading, *lines])


def _format_heading(reading: HardwareReading) -> str:
    count = len(reading.gpus)
    counted = gettext("1 GPU") if count == 1 else gettext("{count} GPUs").format(count=count)
    found = [
        counted if count else gettext("No GPU is seen from here"),
        gettext("driver {version}").format(version=reading.driver_version)
        if reading.driver_version
        else None,
        f"CUDA {reading.cuda_version}" if reading.cuda_version else None,
        f"{reading.taken_at:%Y-%m-%d %H:%M:%S} UTC",
    ]
    return "   ".join(part for part in found if part)


def _format_gpu(gpu: GpuReading) -> Iterator[str]:
    traits = [
        f"GPU {gpu.index}",
        gpu.name or gettext("(name unknown)"),
        gpu.compute_capability and _format_capability(*gpu.compute_capability),
        _format_pcie(gpu),
        gpu.pci_bus_id,
    ]
    yield "   ".join(str(trait) for trait in traits if trait)
    if gpu.uuid:
        yield f"  {gpu.uuid}"
    if gpu.problem:
        yield "  " + gettext("NOT USABLE, see below")
        return
    for label, value in ((gettext("memory"), _format_memory(gpu)), (gettext("load"), _format_load(gpu))):
        yield f"  {pad(label, LABEL_COLUMNS)}  {value}"
    if gpu.processes is None:
        yield "  " + gettext("processes are not told by the driver")
    for process in gpu.processes or ():
        yield _format_process(process)


def _format_pcie(gpu: GpuReading) -> str | None:
    if gpu.pcie is None:
        return None
    most = f"{_show(gpu.pcie.max_generation)}.0 x{_show(gpu.pcie.max_width)}"
    now = f"{_show(gpu.pcie.generation)}.0 x{_show(gpu.pcie.width)}"
    return f"PCIe {now}" if now == most else gettext("PCIe {now} (at most {most})").format(now=now, most=most)


def _format_memory(gpu: GpuReading) -> str:
    if not gpu.total_bytes or gpu.free_bytes is None:
        return gettext("not reported by the driver")
    taken = gpu.total_bytes - gpu.free_bytes
    cells = round(BAR_CELLS * taken / gpu.total_bytes)
    bar = "#" * cells + "." * (BAR_CELLS - cells)
    used = taken if gpu.used_bytes is None else gpu.used_bytes
    text = gettext("{used} of {total} used, {free} free").format(
        used=f"{used / GIB:.1f}", total=_gib(gpu.total_bytes), free=_gib(gpu.free_bytes)
    )
    return f"[{bar}]  {text}"


def _format_load(gpu: GpuReading) -> str:
    power = gettext("{power} of {limit} W").format(
        power=_show(gpu.power_w, ".0f"), limit=_show(gpu.power_limit_w, ".0f")
    )
    clocks = gettext("{clock} MHz, memory {memory} MHz").format(
        clock=_show(gpu.graphics_clock_mhz), memory=_show(gpu.memory_clock_mhz)
    )
    load = gettext("{load} % (memory {memory} %)").format(
        load=_show(gpu.utilization_percent), memory=_show(gpu.memory_utilization_percent)
    )
    return f"{load}   {_show(gpu.temperature_c)} °C   {power}   {clocks}"


def _format_process(process: GpuProcess) -> str:
    owner = gettext("ours") if process.is_ours else gettext("foreign")
    size = UNKNOWN if process.used_bytes is None else _gib(process.used_bytes)
    container = ""
    if process.container:
        container = "   " + gettext("in {container}").format(container=process.container)
    return f"  {pad(owner, 8)} {size:>9}   pid {process.pid:<8} {process.name or ''}{container}".rstrip()


def _format_link(link: GpuLink) -> str:
    count = f" ×{link.nvlinks}" if link.nvlinks else ""
    peer = {
        True: fill_in(", direct memory access"),
        False: fill_in(", no direct memory access"),
        None: "",
    }[link.has_peer_access]
    way = fill_text(PATH_NAMES[link.path], {})
    text = fill_in(
        "GPU {first} to GPU {second}: {way}{count}{peer}",
        first=link.first,
        second=link.second,
        way=way,
        count=count,
        peer=peer,
    )
    return say(text, gettext)


def _format_problem(problem: HardwareProblem) -> Iterator[str]:
    message, advice = say(problem.message, gettext), say(problem.advice, gettext)
    yield from wrap(message, WIDTH, initial_indent="! ", subsequent_indent="  ")
    yield from wrap(advice, WIDTH, initial_indent="  ", subsequent_indent="  ")


def _format_capability(major: int, minor: int) -> str:
    return gettext("compute {capability}").format(capability=f"{major}.{minor}")


def _format_moment(host: str, reading: HardwareReading) -> Iterator[str]:
    start = f"{reading.taken_at:%Y-%m-%d %H:%M:%S}  {host:<16}"
    if reading.problem:
        yield f"{start}  {say(reading.problem.message, gettext)}"
    for gpu in reading.gpus:
        if gpu.problem:
            yield f"{start}  {gpu.index:>3}  {say(gpu.problem.message, gettext)}"
            continue
        used = UNKNOWN if gpu.used_bytes is None else _gib(gpu.used_bytes)
        yield (
            f"{start}  {gpu.index:>3}  {used:>9}  {_show(gpu.utilization_percent):>3} %"
            f"  {_show(gpu.temperature_c):>3} °C  {_show(gpu.power_w, '.0f'):>4} W"
        )


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"


def _show(value: float | None, spec: str = "") -> str:
    return UNKNOWN if value is None else format(value, spec)
