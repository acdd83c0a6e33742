"""Further flags of the engine that are JSON: which keys each of them may hold (vllm/config, 0.32)."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.wording import Translatable, fill_in
from modelops.domain.profiles.kinds import boolean, choice, number, text, whole
from modelops.domain.profiles.records import record, sequence

_ON = boolean()
_LONGEST = 20_000_000
_RUNS_CODE: Translatable = "would run code that is not part of the engine"
_NAMES_PATH: Translatable = "names a path"

_SIZES = sequence(whole(1, 1_000_000), 256)
_NOT_COMPILED: Mapping[str, Translatable] = {
    "backend": _RUNS_CODE,
    "inductor_passes": _RUNS_CODE,
    "inductor_compile_config": _RUNS_CODE,
    "splitting_ops": _RUNS_CODE,
    "cache_dir": _NAMES_PATH,
    "local_cache_dir": _NAMES_PATH,
    "debug_dump_path": _NAMES_PATH,
}
COMPILATION_CONFIG = record(
    {
        "mode": whole(0, 3),
        "level": whole(0, 3),
        "cudagraph_mode": choice("NONE", "PIECEWISE", "FULL", "FULL_DECODE_ONLY", "FULL_AND_PIECEWISE"),
        "cudagraph_capture_sizes": _SIZES,
        "max_cudagraph_capture_size": whole(1, 1_000_000),
        "cudagraph_num_of_warmups": whole(0, 1000),
        "cudagraph_specialize_lora": _ON,
        "full_cuda_graph": _ON,
        "compile_sizes": _SIZES,
        "compile_mm_encoder": _ON,
        "use_inductor": _ON,
        "use_inductor_graph_partition": _ON,
        "custom_ops": sequence(
            text(80, pattern=r"all|none|[+-][a-z0-9_]+", like=fill_in("all, none, +name or -name")), 64
        ),
        "pass_config": record(
            dict.fromkeys(
                (
                    "fuse_norm_quant",
                    "fuse_act_quant",
                    "fuse_attn_quant",
                    "fuse_allreduce_rms",
                    "eliminate_noops",
                    "enable_qk_norm_rope_fusion",
                    "enable_sp",
                    "fuse_gemm_comms",
                ),
                _ON,
            )
        ),
    },
    refused=_NOT_COMPILED,
)

POOLER_CONFIG = record(
    {
        "pooling_type": choice("CLS", "LAST", "MEAN", "ALL", "STEP"),
        "seq_pooling_type": choice("CLS", "LAST", "MEAN"),
        "tok_pooling_type": choice("ALL", "STEP"),
        "task": choice("embed", "classify", "score", "token_embed", "token_classify"),
        "normalize": _ON,
        "softmax": _ON,
        "activation": _ON,
        "use_activation": _ON,
        "dimensions": whole(1, 65_536),
        "enable_chunked_processing": _ON,
        "max_embed_len": whole(1, _LONGEST),
        "step_tag_id": whole(0, 10_000_000),
        "returned_token_ids": sequence(whole(0, 10_000_000), 64),
    }
)

_SIDES = record(dict.fromkeys(("shortest_edge", "longest_edge", "width", "height"), whole(1, 100_000_000)))
MM_PROCESSOR_KWARGS = record(
    {
        "min_pixels": whole(1, 10**9),
        "max_pixels": whole(1, 10**9),
        "size": _SIDES,
        "num_crops": whole(1, 256),
        "max_dynamic_patch": whole(1, 256),
        "do_pan_and_scan": _ON,
        "do_resize": _ON,
        "fps": number(0, 1000),
        "num_frames": whole(1, 100_000),
        "min_frames": whole(1, 100_000),
        "max_frames": whole(1, 100_000),
        "max_soft_tokens": whole(1, 1_000_000),
    }
)
MEDIA_IO_KWARGS = record(
    {
        "image": record({"rgba_background_color": sequence(whole(0, 255), 3)}),
        "video": record({"num_frames": whole(-1, 100_000), "fps": number(0, 1000)}),
    }
)
