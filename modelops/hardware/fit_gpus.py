"""From what the driver says to what the fit check asks for."""

from __future__ import annotations

from gateway.wording import fill_in
from modelops.domain.fit.gpu_catalog import complete_gpu
from modelops.domain.fit.specs import Gpu
from modelops.hardware.readings import GpuReading, HardwareReading


def to_fit_gpus(reading: HardwareReading, *, without_ours: bool = False) -> tuple[Gpu, ...]:
    """The cards that a model can be placed on, in the driver's order; `explain_left_out` names the rest.

    `without_ours` counts the memory of our own processes as free: it will be once they have stopped.
    Totals of known cards are turned into what an engine sees of them (`complete_gpu`).
    """
    return tuple(
        _to_fit_gpu(gpu, gpu.total_bytes, without_ours=without_ours)
        for gpu in reading.usable_gpus
        if gpu.total_bytes
    )


def explain_left_out(reading: HardwareReading) -> tuple[str, ...]:
    """One sentence for each GPU that `to_fit_gpus` leaves out."""
    left_out = [gpu for gpu in reading.gpus if not (gpu.is_usable and gpu.total_bytes)]
    return tuple(fill_in("Left out: {gpu}", gpu=_explain(gpu)) for gpu in left_out)


def _to_fit_gpu(gpu: GpuReading, total_bytes: int, *, without_ours: bool) -> Gpu:
    free_bytes = gpu.free_bytes
    if without_ours and free_bytes is not None:
        free_bytes = min(total_bytes, free_bytes + gpu.our_bytes)
    return complete_gpu(
        Gpu(
            name=gpu.name or "unknown GPU",
            total_bytes=total_bytes,
            free_bytes=free_bytes,
            compute_capability=gpu.compute_capability,
        )
    )


def _explain(gpu: GpuReading) -> str:
    return (
        gpu.problem.message
        if gpu.problem
        else fill_in("the driver does not tell the memory of GPU {index}.", index=gpu.index)
    )
