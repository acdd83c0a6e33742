"""Memory beside weights, activation and KV cache: CUDA context, NCCL, CUDA graphs."""

from modelops.domain.fit.calibration import (
    CONTEXT_BYTES,
    DEFAULT_CONTEXT_BYTES,
    DEFAULT_NON_TORCH_BYTES,
    DEFAULT_PARALLEL_NON_TORCH_BYTES,
    GRAPH_BASE_BYTES,
    GRAPH_BYTES_PER_SIZE,
    HOPPER_NCCL_BYTES,
    NCCL_GRAPH_BYTES,
    NCCL_IN_BUDGET_BYTES,
    NON_TORCH_BYTES,
    PARALLEL_CONTEXT_BYTES,
    PARALLEL_NON_TORCH_BYTES,
    V0_GRAPH_BYTES,
    V1_NCCL_IN_BUDGET_BYTES,
)
from modelops.domain.fit.engine_defaults import EngineTraits, count_capture_sizes
from modelops.domain.fit.gpu_catalog import find_family, has_nvlink
from modelops.domain.fit.specs import Gpu, LayerKind, ModelArchitecture, ResolvedSettings


def estimate_non_torch(settings: ResolvedSettings, gpu: Gpu, traits: EngineTraits) -> int:
    """Return what grows outside PyTorch's allocator between the engine's two readings.

    With several GPUs the figure depends on whether NCCL was set up before the first reading
    (`init_device`, vllm/v1/worker/gpu_worker.py).
    """
    family = find_family(gpu)
    if settings.world_size == 1:
        return NON_TORCH_BYTES.get(family, DEFAULT_NON_TORCH_BYTES)
    if traits.reads_free_after_nccl:
        return PARALLEL_NON_TORCH_BYTES.get(family, DEFAULT_PARALLEL_NON_TORCH_BYTES)
    is_joined = has_nvlink(gpu)
    if traits.is_v0:
        return NCCL_IN_BUDGET_BYTES[is_joined]
    if family == "hopper" and is_joined:
        return HOPPER_NCCL_BYTES[settings.tensor_parallel_size > 2]
    return V1_NCCL_IN_BUDGET_BYTES


def estimate_cuda_graphs(settings: ResolvedSettings, gpu: Gpu, traits: EngineTraits) -> int:
    """Return what captured CUDA graphs take, 0 in eager mode."""
    if settings.enforce_eager:
        return 0
    if traits.is_v0:
        return V0_GRAPH_BYTES
    return GRAPH_BASE_BYTES + count_capture_sizes(settings, gpu) * GRAPH_BYTES_PER_SIZE


def doubt_cuda_graphs(model: ModelArchitecture, settings: ResolvedSettings, gpu: Gpu) -> int:
    """Return what graphs may take of a hybrid model on four cards and more without custom all-reduce.

    That is off by `disable_custom_all_reduce`, and on more than two cards that are joined by PCIe alone
    (vllm/distributed/device_communicators/custom_all_reduce.py:267).
    """
    is_hybrid = any(layer.cache.kind is LayerKind.LINEAR for layer in model.layers)
    is_off = settings.disable_custom_all_reduce or not has_nvlink(gpu)
    if settings.enforce_eager or settings.tensor_parallel_size < 4 or not is_hybrid or not is_off:
        return 0
    return NCCL_GRAPH_BYTES


def estimate_context(settings: ResolvedSettings, gpu: Gpu, traits: EngineTraits) -> int:
    """Return what the process has taken before the engine asks whether enough memory is free."""
    context = CONTEXT_BYTES.get(find_family(gpu), DEFAULT_CONTEXT_BYTES)
    is_parallel = settings.world_size > 1
    return context + (PARALLEL_CONTEXT_BYTES if is_parallel and traits.reads_free_after_nccl else 0)
