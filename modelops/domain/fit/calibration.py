"""Measured constants of the fit check and how far they were off, with where each comes from.

All come from start-up logs of public runs ("Memory profiling takes …", "Available KV cache memory",
"Graph capturing finished … took"), per GPU. None depends on a model's name.
"""

from modelops.domain.fit.eras import Sampler
from modelops.domain.fit.specs import GIB

SAMPLER_COPIES = {Sampler.SORT: 9.53, Sampler.IN_PLACE: 3.5, Sampler.PLAIN: 1.5}
"""Float32 copies of the logits alive at the sampler's peak.

Sorted: measured, median error 8 MiB (V1 `_dummy_sampler_run`, vllm/v1/worker/gpu_model_runner.py).
In place: the logits in 16 bit and in 32, the probabilities, the noise (`random_sample`,
v1/sample/ops/topk_topp_sampler.py).
Plain: the logits in 16 bit and in 32 (`_dummy_sampler_run`, v1/worker/gpu/model_runner.py:984, 0.32).
"""

VERIFICATION_COPIES = 2.5
"""More such copies where the profile also compares one guessed token of each sequence with the model's own.

Two rows of logits for each sequence in 16 bit, where else is one (0.5 more), the logits of the next tokens
in 32 bit for their log probabilities (1), those of the guessed ones beside the rows that top-k and top-p
work on (1): `_dummy_sampler_run` (vllm/v1/worker/gpu_model_runner.py:5937) and `RejectionSampler.forward`
(vllm/v1/sample/rejection_sampler.py:121), 0.33.
"""

COLD_COMPILE_BYTES = int(0.8 * GIB)
"""What the first start after a change takes more: the same card and model gave a peak of 1.18 GiB when
torch.compile had to run, and of 0.19 when it did not (Qwen3-8B, RTX 4090, 0.27.1); 0.4–1.0 in other logs."""

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
"""NCCL and custom all-reduce when set up after the first reading (V0): over NVLink (A100, TP 2: 1.54), or
PCIe (L40S, TP 2: 0.30)."""

V1_NCCL_IN_BUDGET_BYTES = int(0.5 * GIB)
"""V1 before 0.11 also read first; most runs printed 0.3–0.6 GiB."""

HOPPER_NCCL_BYTES = {False: int(1.4 * GIB), True: int(2.15 * GIB)}
"""The same over Hopper's NVLink: 1.4 on two cards, 2.0–2.3 on four to eight."""

GRAPH_BASE_BYTES = int(0.06 * GIB)
GRAPH_BYTES_PER_SIZE = int(0.0098 * GIB)
"""CUDA graphs: 0.56 GiB in the median with the default 51 capture sizes, about 0.1 GiB with a few."""

V0_GRAPH_BYTES = int(0.28 * GIB)

GRAPH_UNCERTAINTY_BYTES = int(0.6 * GIB)
"""The 90th percentile of graph memory lies this far above the median."""

NCCL_GRAPH_BYTES = int(3.65 * GIB)
"""What graphs took of a hybrid model on four cards that talk by NCCL alone, where the formula gives 0.56. Why
is not known, so it is no estimate, but the band allows for it."""

CONTEXT_BYTES = {"hopper": int(0.61 * GIB), "blackwell": int(0.61 * GIB)}
DEFAULT_CONTEXT_BYTES = int(0.44 * GIB)
"""The CUDA context: outside the budget, but gone before the start-up test reads free memory."""

PARALLEL_CONTEXT_BYTES = int(0.7 * GIB)
LEAST_PARALLEL_CONTEXT_BYTES = int(0.2 * GIB)
"""NCCL's further share before that reading (V1 from 0.11.1); 1.15–1.54 GiB in all were seen.

Only the least makes a run fail on an idle card; the usual share makes it tight.
"""

FREE_ERROR_BYTES = int(0.1 * GIB)
"""Within this of what it asks for, a start is in doubt and not refused: two 4090s at 0.97 do start."""

WEIGHTS_ERROR = 0.005
APPROXIMATE_WEIGHTS_ERROR = 0.04
UNEVEN_WEIGHTS_ERROR = 0.15
ACTIVATION_ERROR = 0.08
FIXED_ERROR_BYTES = int(0.06 * GIB)
PARALLEL_ERROR_BYTES = int(0.35 * GIB)
VISION_ERROR = 0.25
UNKNOWN_TOWER_BYTES = int(1.5 * GIB)
"""Half-widths of the band: what nine runs in ten stay within, per term.

Of a tower that is known, the scratch is in doubt (LLaVA-NeXT on an H100: 1.97 GiB measured for 1.92). One of
which nothing is known takes up to the last, which most logs of vision models stay within."""
