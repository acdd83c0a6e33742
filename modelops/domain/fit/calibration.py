"""Measured constants of the fit check and how far they were off, with where each comes from.

All come from start-up logs of public runs ("Memory profiling takes …", "Available KV cache memory",
"Graph capturing finished … took"), per GPU. None depends on a model's name.
"""

from modelops.domain.fit.specs import GIB

SAMPLER_COPIES = 9.53
"""Float32 copies of the logits alive at the sampler's peak (V1 `_dummy_sampler_run`); median error 8 MiB."""

HIDDEN_COPIES_BESIDE_SAMPLER = 1.5
"""Hidden-state copies of a full batch that stay alive beside the sampler."""

HIDDEN_COPIES_IN_LAYER = 4
"""Hidden-state copies alive while a layer's MLP runs: residual, normed input, output, one scratch."""

ALL_REDUCE_COPIES = 1
"""The out-of-place all-reduce holds one more hidden-state copy from tensor parallel 2 on (14B, TP=2)."""

NON_TORCH_BYTES = {
    "hopper": int(0.13 * GIB),
    "blackwell": int(0.13 * GIB),
    "ampere": int(0.07 * GIB),
    "ada": int(0.04 * GIB),
}
"""Growth of memory outside PyTorch's allocator during profiling on one GPU; 0.02–0.14 GiB seen."""

DEFAULT_NON_TORCH_BYTES = int(0.08 * GIB)

PARALLEL_NON_TORCH_BYTES = {"hopper": int(0.55 * GIB), "blackwell": int(0.55 * GIB)}
"""The same with several GPUs, where NCCL was set up before the first reading (V1 from 0.11.1)."""

DEFAULT_PARALLEL_NON_TORCH_BYTES = int(0.17 * GIB)

NCCL_IN_BUDGET_BYTES = {True: int(1.5 * GIB), False: int(0.3 * GIB)}
"""NCCL and custom all-reduce when set up after the first reading (V0), data-center cards or others."""

V1_NCCL_IN_BUDGET_BYTES = int(0.5 * GIB)
"""V1 before 0.11.1 also read first; most runs printed 0.3–0.6 GiB."""

GRAPH_BASE_BYTES = int(0.06 * GIB)
GRAPH_BYTES_PER_SIZE = int(0.0098 * GIB)
"""CUDA graphs: 0.56 GiB in the median with the default 51 capture sizes, about 0.1 GiB with a few."""

V0_GRAPH_BYTES = int(0.28 * GIB)

GRAPH_UNCERTAINTY_BYTES = int(0.6 * GIB)
"""The 90th percentile of graph memory lies this far above the median."""

CONTEXT_BYTES = {"hopper": int(0.61 * GIB), "blackwell": int(0.61 * GIB)}
DEFAULT_CONTEXT_BYTES = int(0.44 * GIB)
"""The CUDA context: outside the budget, but gone before the start-up test reads free memory."""

PARALLEL_CONTEXT_BYTES = int(0.7 * GIB)
LEAST_PARALLEL_CONTEXT_BYTES = int(0.3 * GIB)
"""NCCL's further share before that reading (V1 from 0.11.1); 1.15–1.54 GiB in all were seen.

Only the least makes a run fail on an idle card; the usual share makes it tight.
"""

WEIGHTS_ERROR = 0.005
APPROXIMATE_WEIGHTS_ERROR = 0.04
ACTIVATION_ERROR = 0.08
FIXED_ERROR_BYTES = int(0.06 * GIB)
PARALLEL_ERROR_BYTES = int(0.35 * GIB)
VISION_ERROR = 0.5
"""Half-widths of the band: what nine runs in ten stay within, per term."""

MAX_VISION_PATCHES = 65536
"""Patches of the largest image a dynamic-resolution tower accepts by default (12.8–16.8 megapixels)."""
