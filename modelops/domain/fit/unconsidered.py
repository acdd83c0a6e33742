"""The engine's flags that change the memory of its GPUs, and that the fit check does not read.

One table, so that nothing is left out in silence: flags of vllm/engine/arg_utils.py (0.33) whose value
decides how much is loaded, profiled, captured or cached.
"""

from collections.abc import Iterable

from gateway.wording import fill_in

UNCONSIDERED_FLAGS = frozenset(
    {
        # Graphs and compilation
        "compilation-config",
        "cudagraph-capture-sizes",
        "enable-flashinfer-autotune",
        "optimization-level",
        "performance-mode",
        # Kernels with buffers of their own, or another size of block
        "attention-backend",
        "attention-config",
        "linear-backend",
        "model-impl",
        "moe-backend",
        # More ways to split a model
        "all2all-backend",
        "data-parallel-size-local",
        "decode-context-parallel-size",
        "enable-batch-sharded-sampling",
        "enable-dbo",
        "enable-elastic-ep",
        "enable-eplb",
        "eplb-config",
        "prefill-context-parallel-size",
        "ubatch-size",
        # The cache
        "ec-transfer-config",
        "kv-cache-dtype-skip-layers",
        "kv-offloading-size",
        "kv-sharing-fast-prefill",
        "kv-transfer-config",
        "mamba-block-size",
        "mamba-cache-mode",
        "num-gpu-blocks-override",
        # What is computed beside the answer
        "enable-prompt-embeds",
        "enable-return-routed-experts",
        "logits-processors",
        "logprobs-mode",
        "max-logprobs",
        # The weights
        "cpu-offload-params",
        "load-format",
        "offload-backend",
        "offload-group-size",
        "offload-num-in-group",
        "offload-params",
        "offload-prefetch-step",
        "quantization-config",
        # Images and sounds
        "enable-tower-connector-lora",
        "media-io-kwargs",
        "mm-encoder-attn-backend",
        "mm-encoder-only",
        # Adapters
        "enable-mixed-moe-lora-format",
        "enable-moe-shared-loras",
        "lora-target-modules",
        "specialize-active-lora",
    }
)


_UNCONSIDERED_OF_SPECULATION = frozenset(
    {
        "attention_backend",
        "draft_lm_head_quantization",
        "kv_cache_dtype",
        "num_speculative_tokens_per_batch_size",
        "parallel_drafting",
        "use_heterogeneous_vocab",
    }
)
"""Keys of `speculative_config` (vllm/config/speculative.py, 0.33) of the same kind."""


def list_unconsidered(names: Iterable[str], speculative: Iterable[str] = ()) -> tuple[str, ...]:
    """Which of these settings the check leaves out, as flags; names may have underscores.

    `speculative` are the keys of `speculative_config`.
    """
    flags = {name.lstrip("-").replace("_", "-") for name in names}
    keys = sorted(_UNCONSIDERED_OF_SPECULATION & set(speculative))
    return (
        *(f"--{name}" for name in sorted(flags & UNCONSIDERED_FLAGS)),
        *(f"--speculative-config.{key}" for key in keys),
    )


def name_unconsidered(flags: Iterable[str]) -> tuple[str, ...]:
    """The note that a report gets of them, none without any."""
    named = ", ".join(flags)
    return (fill_in("the estimate does not consider {names}", names=named),) if named else ()
