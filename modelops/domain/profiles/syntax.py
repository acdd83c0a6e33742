"""The syntax of a profile's values: how its names are written, and which words it may choose."""

from gateway.wording import fill_in
from modelops.domain.profiles.kinds import choice, text, words

RESERVED_NAMES = frozenset({"current"})
"""Names that mean something to the gateway, so that no model can have them."""

_NO_DOUBLE_DOTS = r"(?!.*\.\.)"
_WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_REGISTRY = r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?"
_IMAGE_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_TAG = r":[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_DIGEST = r"@sha256:[0-9a-f]{64}"
_CARD = r"[0-9]{1,3}|(?:GPU|MIG)-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

SLUG = text(
    64,
    pattern=rf"{_NO_DOUBLE_DOTS}[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?",
    like=fill_in("lower-case letters, digits, dots and dashes"),
    may_be_empty=False,
)
# A tag or a digest is asked for: without one it would mean "latest", which nobody chose.
IMAGE = text(
    255,
    pattern=rf"(?:{_REGISTRY}/)?{_IMAGE_PART}(?:/{_IMAGE_PART})*(?:{_TAG}|(?:{_TAG})?{_DIGEST})",
    like=fill_in("an image with its tag or digest, such as vllm/vllm-openai:v0.33.0"),
)
REPOSITORY = text(
    200,
    pattern=rf"{_NO_DOUBLE_DOTS}{_WORD}/{_WORD}",
    like=fill_in("a model repository such as Qwen/Qwen2-7B-Instruct, neither a path nor a URL"),
)
REVISION = text(
    100,
    pattern=rf"{_NO_DOUBLE_DOTS}{_WORD}(?:/{_WORD})*",
    like=fill_in("a branch, tag or commit of the repository"),
)
SERVED_NAME = text(
    128,
    pattern=rf"{_NO_DOUBLE_DOTS}{_WORD}(?:[/:]{_WORD})*",
    like=fill_in(
        "a model name: letters, digits, dots, dashes and underscores, with / or : between its parts"
    ),
)
ALIASES = words(SERVED_NAME, 16)
TAGS = words(
    text(40, pattern=r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?", like=fill_in("a word of a-z, 0-9 and dashes")), 16
)
PARSER = text(
    64,
    pattern=r"[a-z0-9](?:[a-z0-9_.-]*[a-z0-9])?",
    like=fill_in("auto, or the name of a parser such as hermes"),
)
GPU_SELECTION = words(
    text(45, pattern=_CARD, like=fill_in('a card by number ("0") or by UUID ("GPU-…")')), 64
)
ACCELERATOR = text(
    64,
    pattern=r"[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?",
    like=fill_in("a kind of cards such as A10G or RTX3090, or cpu"),
)
COMPUTE_CAPABILITY = text(5, pattern=r"[0-9]{1,2}\.[0-9]", like=fill_in('a compute capability such as "8.6"'))

DTYPE = choice("auto", "float16", "bfloat16", "float32")
CACHE_DTYPE = choice(
    "auto",
    "bfloat16",
    "float16",
    "fp8",
    "fp8_e4m3",
    "fp8_e5m2",
    "fp8_ds_mla",
    "fp8_per_token_head",
    "int8_per_token_head",
    "int4_per_token_head",
    "nvfp4",
    "nvfp4_ds_mla",
)
QUANTIZATION = choice(
    "awq",
    "awq_marlin",
    "auto_awq",
    "gptq",
    "gptq_marlin",
    "auto_gptq",
    "auto_round",
    "auto-round",
    "inc",
    "fp8",
    "fp8_per_tensor",
    "fp8_per_block",
    "mxfp8",
    "bitsandbytes",
    "compressed-tensors",
    "modelopt",
    "modelopt_fp4",
    "modelopt_mxfp8",
    "modelopt_mixed",
    "mxfp4",
    "gpt_oss_mxfp4",
    "experts_int8",
    "moe_wna16",
    "quark",
    "torchao",
    may_be_empty=True,
)
