"""Which tensors each decoder layout has, by the `model_type` that config.json names.

A layout says what a family's classes build beyond the sizes in config.json (biases, norms, gates);
read from the classes in vllm/model_executor/models (0.32) that the registry maps these types to.
"""

from dataclasses import dataclass, replace

Flag = bool | str
"""True or False for the whole family, or the config field that decides."""


@dataclass(frozen=True)
class Layout:
    is_gated: bool = True
    qkv_bias: Flag = False
    output_bias: Flag = False
    mlp_bias: Flag = False
    norms: int = 2
    norm_has_bias: bool = False
    qk_norm: str = ""
    """"head" (two head_dim vectors), "full" (one vector per projection width) or nothing."""
    is_tied: bool = False
    is_rotary: bool = True
    learned_positions: int = -1
    """Rows of a position table beyond the model's positions; -1 for none."""
    lm_head_bias: bool = False
    builder: str = "standard"
    extra_norms: int = 1
    moe: str = ""
    """How expert layers are chosen: "all", "deepseek", "qwen", "llama4", "gemma4" or nothing."""
    router_bias: bool = False
    sliding_pattern: int = 0
    """Every n-th layer is full, the others slide, where config.json lists no layer types."""
    allows_float16: bool = True
    query_gate: bool = False
    has_sinks: bool = False
    is_encoder: bool = False
    """Encoder-only attention keeps no KV cache."""
    sliding_opt_in: bool = False
    """A window counts only where config.json says use_sliding_window."""


_LLAMA = Layout(qkv_bias="attention_bias", output_bias="attention_bias", mlp_bias="mlp_bias")
_QWEN2 = Layout(qkv_bias=True, sliding_opt_in=True)
_QWEN3 = Layout(qk_norm="head", qkv_bias="attention_bias", output_bias="attention_bias", sliding_opt_in=True)
_GEMMA = Layout(is_tied=True)
_BERT = Layout(
    is_gated=False,
    qkv_bias=True,
    output_bias=True,
    mlp_bias=True,
    norm_has_bias=True,
    is_tied=True,
    is_rotary=False,
    learned_positions=0,
    is_encoder=True,
)
_GATED_ENCODER = Layout(qkv_bias=True, output_bias=True, norm_has_bias=True, is_tied=True, is_encoder=True)
_GPT = Layout(
    is_gated=False,
    qkv_bias=True,
    output_bias=True,
    mlp_bias=True,
    norm_has_bias=True,
    is_tied=True,
    is_rotary=False,
    learned_positions=0,
)
_DEEPSEEK = Layout(builder="mla", moe="deepseek")
_HYBRID_QWEN = Layout(builder="gated_delta", qk_norm="head", query_gate=True)

LAYOUTS: dict[str, Layout] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "ministral": _LLAMA,
    "ministral3": _LLAMA,
    "yi": _LLAMA,
    "aquila": _LLAMA,
    "smollm3": _LLAMA,
    "internlm": Layout(qkv_bias="bias", output_bias="bias"),
    "internlm2": Layout(qkv_bias="bias", output_bias="bias"),
    "internlm3": Layout(qkv_bias="qkv_bias", output_bias="bias", mlp_bias="bias"),
    "seedoss": Layout(qkv_bias="attention_bias", output_bias="attention_out_bias", mlp_bias="mlp_bias"),
    "mimo": _QWEN2,
    "qwen2": _QWEN2,
    "qwen3": _QWEN3,
    "qwen2moe": Layout(qkv_bias=True, moe="qwen", sliding_opt_in=True),
    "qwen3moe": Layout(qk_norm="head", qkv_bias="attention_bias", moe="qwen", sliding_opt_in=True),
    "qwen3next": Layout(builder="gated_delta", qk_norm="head", query_gate=True, moe="qwen"),
    "qwen35": _HYBRID_QWEN,
    "qwen35moe": Layout(builder="gated_delta", qk_norm="head", query_gate=True, moe="qwen"),
    "mixtral": Layout(moe="all"),
    "phimoe": Layout(
        qkv_bias="attention_bias",
        output_bias="attention_bias",
        norm_has_bias=True,
        lm_head_bias=True,
        moe="all",
    ),
    "olmoe": Layout(qk_norm="full", moe="all"),
    "granitemoe": Layout(is_tied=True, moe="all"),
    "granitemoeshared": Layout(is_tied=True, moe="all"),
    "granite": Layout(is_tied=True, qkv_bias="attention_bias", output_bias="attention_bias"),
    "minimaxm2": Layout(qk_norm="full", moe="all"),
    "gptoss": Layout(
        qkv_bias=True, output_bias=True, moe="all", router_bias=True, has_sinks=True, sliding_pattern=2
    ),
    "dbrx": Layout(norm_has_bias=False, moe="all"),
    "llama4": Layout(moe="llama4"),
    "gemma": _GEMMA,
    "gemma2": Layout(is_tied=True, norms=4, sliding_pattern=2, allows_float16=False),
    "gemma3": Layout(is_tied=True, norms=4, qk_norm="head", sliding_pattern=6, allows_float16=False),
    "gemma4": Layout(is_tied=True, norms=4, qk_norm="head", sliding_pattern=6, builder="gemma4"),
    "phi": Layout(
        is_gated=False,
        qkv_bias=True,
        output_bias=True,
        mlp_bias=True,
        norms=1,
        norm_has_bias=True,
        lm_head_bias=True,
    ),
    "phi3": Layout(),
    "phi3small": Layout(qkv_bias=True, output_bias=True, mlp_bias=True, norm_has_bias=True, is_tied=True),
    "starcoder2": Layout(
        is_gated=False,
        qkv_bias="use_bias",
        output_bias="use_bias",
        mlp_bias="use_bias",
        norm_has_bias=True,
        is_tied=True,
    ),
    "stablelm": Layout(qkv_bias="use_qkv_bias", norm_has_bias=True),
    "olmo": Layout(norms=0, extra_norms=0),
    "olmo2": Layout(qk_norm="full"),
    "olmo3": Layout(qk_norm="full", sliding_pattern=4),
    "cohere": Layout(norms=1, is_tied=True),
    "cohere2": Layout(norms=1, is_tied=True, sliding_pattern=4),
    "exaone": Layout(),
    "exaone4": Layout(qk_norm="head", sliding_pattern=4),
    "baichuan": Layout(),
    "chatglm": Layout(qkv_bias="add_qkv_bias"),
    "glm": Layout(qkv_bias="attention_bias"),
    "glm4": Layout(norms=4, qkv_bias="attention_bias", allows_float16=False),
    "glm4moe": Layout(qkv_bias="attention_bias", moe="deepseek", qk_norm="use_qk_norm"),
    "ernie45": Layout(qkv_bias="use_bias", output_bias="use_bias", mlp_bias="use_bias", is_tied=True),
    "ernie45moe": Layout(qkv_bias="use_bias", is_tied=True, moe="ernie"),
    "hunyuanv1dense": Layout(qk_norm="head", is_tied=True),
    "minicpm": Layout(is_tied=True),
    "minitron": Layout(is_gated=False, norm_has_bias=True),
    "nemotron": Layout(is_gated=False, norm_has_bias=True),
    "arcee": Layout(is_gated=False, mlp_bias="mlp_bias"),
    "apertus": Layout(is_gated=False, qk_norm="head"),
    "solar": _LLAMA,
    "orion": Layout(norm_has_bias=True),
    "xverse": Layout(),
    "decilm": Layout(builder="unknown"),
    "gemma3n": Layout(is_tied=True, norms=4, qk_norm="head", builder="gemma3n", allows_float16=False),
    "nemotronnas": Layout(builder="unknown"),
    "deepseekv2": _DEEPSEEK,
    "deepseekv3": _DEEPSEEK,
    "kimik2": _DEEPSEEK,
    "glm4moelite": _DEEPSEEK,
    "glmmoedsa": _DEEPSEEK,
    "deepseekv32": _DEEPSEEK,
    "mistral4": _DEEPSEEK,
    "youtu": Layout(builder="mla", is_tied=True),
    "kimilinear": Layout(builder="kimi_linear", moe="deepseek"),
    "longcatflash": Layout(builder="longcat", moe="deepseek"),
    "mimov2flash": Layout(builder="mimo_v2", moe="deepseek"),
    "exaonemoe": Layout(qk_norm="head", moe="deepseek", sliding_pattern=4),
    "solaropen": Layout(qkv_bias="attention_bias", moe="deepseek", qk_norm="use_qk_norm"),
    "dots1": Layout(qk_norm="head", moe="deepseek"),
    "hyv3": Layout(qk_norm="head", moe="deepseek"),
    "hyperclovax": Layout(
        qkv_bias="attention_bias", output_bias="attention_bias", mlp_bias="mlp_bias", norms=4
    ),
    "lfm2": Layout(is_tied=True, qk_norm="head", builder="short_convolution"),
    "lfm2moe": Layout(is_tied=True, qk_norm="head", builder="short_convolution", moe="lfm2"),
    "whisper": Layout(
        is_gated=False, is_tied=True, is_rotary=False, learned_positions=0, builder="encoder_decoder"
    ),
    "deepseek": Layout(moe="deepseek"),
    "nemotronh": Layout(builder="nemotron_h", is_gated=False),
    "granitemoehybrid": Layout(builder="granite_hybrid", is_tied=True),
    "bamba": Layout(builder="granite_hybrid"),
    "falconh1": Layout(builder="falcon_h1"),
    "gpt2": _GPT,
    "gptbigcode": _GPT,
    "opt": Layout(
        is_gated=False,
        qkv_bias=True,
        output_bias=True,
        mlp_bias=True,
        norm_has_bias=True,
        is_tied=True,
        is_rotary=False,
        learned_positions=2,
    ),
    "gptneox": Layout(is_gated=False, qkv_bias=True, output_bias=True, mlp_bias=True, norm_has_bias=True),
    "gptj": Layout(is_gated=False, mlp_bias=True, norms=1, norm_has_bias=True, lm_head_bias=True),
    "bloom": Layout(
        is_gated=False,
        qkv_bias=True,
        output_bias=True,
        mlp_bias=True,
        norm_has_bias=True,
        is_tied=True,
        is_rotary=False,
        extra_norms=2,
    ),
    "mpt": Layout(is_gated=False, is_tied=True, is_rotary=False),
    "falcon": Layout(
        is_gated=False,
        qkv_bias="bias",
        output_bias="bias",
        mlp_bias="bias",
        norms=1,
        norm_has_bias=True,
        is_tied=True,
    ),
    "bert": _BERT,
    "roberta": _BERT,
    "xlmroberta": _BERT,
    "gte": _GATED_ENCODER,
    "gtenew": _GATED_ENCODER,
    "jinaembeddingsv3": replace(_BERT, is_rotary=True, learned_positions=-1),
    "modernbert": Layout(is_tied=True, is_encoder=True),
    "nomicbert": Layout(norm_has_bias=True, is_tied=True, is_encoder=True),
}

ALIASES = {
    "qwen2vl": "qwen2",
    "qwen25vl": "qwen2",
    "qwen25omnithinker": "qwen2",
    "qwen3vl": "qwen3",
    "qwen3vlmoe": "qwen3moe",
    "mistral3": "mistral",
    "pixtral": "mistral",
    "llava": "llama",
    "llavanext": "llama",
    "smolvlm": "llama",
    "idefics3": "llama",
    "paligemma": "gemma",
    "phi3v": "phi3",
    "internvlchat": "qwen2",
    "kimivl": "deepseekv3",
    "kimik25": "deepseekv3",
    "axk1": "deepseekv3",
    "glm4v": "glm4",
    "glm4vmoe": "glm4moe",
    "gptneoxjapanese": "gptneox",
    "refinedweb": "falcon",
    "refinedwebmodel": "falcon",
    "gemma3text": "gemma3",
    "gemma3ntext": "gemma3n",
    "exaone45": "exaone4",
    "mistrallarge3": "deepseekv3",
    "mimov2": "mimov2flash",
    "gemma4unified": "gemma4",
    "exaone40": "exaone4",
    "seed": "seedoss",
    "hunyuandensev1": "hunyuanv1dense",
    "commandr": "cohere",
    "phi4": "phi3",
}

ADAPTED_VOCABULARIES = frozenset(
    {
        "llama",
        "mistral",
        "ministral",
        "ministral3",
        "mixtral",
        "qwen3",
        "qwen3moe",
        "qwen35",
        "qwen35moe",
        "granite",
        "granitemoe",
        "granitemoeshared",
        "granitemoehybrid",
        "cohere",
        "cohere2",
        "exaone",
        "exaone4",
        "exaonemoe",
        "apertus",
        "falconh1",
        "lfm2",
        "lfm2moe",
        "minicpm",
        "nemotron",
        "nemotronh",
        "phimoe",
        "solar",
        "hyperclovax",
        "smollm3",
        "yi",
    }
)
"""Layouts whose class lists `embedding_modules`: LoRA adapters may change the vocabulary, too."""

VISION_TYPES = frozenset(
    {
        "qwen2vl",
        "qwen25vl",
        "qwen3vl",
        "qwen3vlmoe",
        "mistral3",
        "pixtral",
        "llava",
        "llavanext",
        "smolvlm",
        "idefics3",
        "paligemma",
        "phi3v",
        "internvlchat",
        "kimivl",
        "kimik25",
        "glm4v",
        "glm4vmoe",
        "qwen25omnithinker",
    }
)
"""Layouts whose class always builds a vision tower, even where config.json was cut down to the text."""

NESTED_DEFAULTS: dict[str, dict[str, int]] = {
    "gemma3": {
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "vocab_size": 262208,
        "max_position_embeddings": 131072,
        "sliding_window": 4096,
    },
    "llama": {
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "vocab_size": 32000,
        "max_position_embeddings": 2048,
    },
    "mistral": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 32000,
        "max_position_embeddings": 131072,
    },
}
"""What a nested text_config leaves out: the defaults of the config classes in transformers 4.57.

A multimodal config.json often stores only what differs from them.
"""
