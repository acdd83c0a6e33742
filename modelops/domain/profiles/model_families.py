"""The families of models that are known, and the parsers that read their tool calls and their reasoning.

The names of parsers are those that vLLM 0.32 registers (`vllm/tool_parsers/__init__.py` and
`vllm/reasoning/__init__.py`). A family is here only where its own chat template goes with the parser: models
that vLLM's documentation wants to have another template for are left to whoever writes the profile.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TOOL_DOCS = "vLLM docs, features/tool_calling"
_REASONING_DOCS = "vLLM docs, features/reasoning_outputs"
_BOTH_DOCS = "vLLM docs, features/tool_calling and features/reasoning_outputs"
_REGISTRY = "vLLM 0.32, parsers of that name"


@dataclass(frozen=True)
class ModelFamily:
    """One row of the table. An empty parser means that the family is known to have no such outputs.

    `pattern` is searched for in the repository's name in lower case. `model_types` are those of config.json
    that belong to no other family, for repositories whose name says nothing.
    """

    name: str
    pattern: str
    tool_call_parser: str
    reasoning_parser: str
    source: str
    model_types: tuple[str, ...] = ()


MODEL_FAMILIES: tuple[ModelFamily, ...] = (
    ModelFamily(
        "Embedding, Reranker, Whisper",
        r"embed|rerank|reward|whisper|bge-|/e5-|/gte-|colbert",
        "",
        "",
        _TOOL_DOCS,
    ),
    # DeepSeek's distilled models are named after the models that they were trained from.
    ModelFamily("DeepSeek R1", r"deepseek-r1", "", "deepseek_r1", _REASONING_DOCS),
    ModelFamily("DeepSeek LLM, Coder, V2", r"deepseek-(coder|llm|math|moe|v2)", "", "", _TOOL_DOCS),
    ModelFamily("Hermes", r"hermes-(2-pro|2-theta|3-)", "hermes", "", _TOOL_DOCS),
    ModelFamily("Qwen3-Coder", r"qwen3-coder", "qwen3_xml", "", _TOOL_DOCS),
    ModelFamily(
        "Qwen3.5", r"qwen3\.[56]", "qwen3_coder", "qwen3", "vLLM recipes, Qwen3.5", ("qwen3_5", "qwen3_5_moe")
    ),
    # The parser takes all that comes before a closing tag for reasoning, and these models never write one.
    ModelFamily(
        "Qwen3 Instruct", r"qwen3-.*instruct", "hermes", "", "Qwen's documentation, function calling"
    ),
    ModelFamily(
        "Qwen3", r"qwen3(?!-(?:omni|asr|tts))", "hermes", "qwen3", f"Qwen's documentation; {_REASONING_DOCS}"
    ),
    ModelFamily("QwQ", r"qwq-32b", "hermes", "deepseek_r1", _BOTH_DOCS),
    ModelFamily("Qwen2.5", r"qwen2\.5-(?!vl|omni|math)", "hermes", "", _TOOL_DOCS),
    ModelFamily("Qwen1.5, Qwen2", r"qwen(1\.5|2)-(?!vl|audio)", "", "", "QwenLM/Qwen3, discussion 1098"),
    ModelFamily("EXAONE 4", r"exaone-4", "hermes", "", "vllm-project/vllm, pull request 22617", ("exaone4",)),
    ModelFamily("Llama 4", r"llama-4", "llama4_pythonic", "", _TOOL_DOCS, ("llama4",)),
    ModelFamily("Llama 3.1, 3.2, 3.3", r"llama-3\.[123]-\d+b(?!.*nemotron)", "llama3_json", "", _TOOL_DOCS),
    ModelFamily("Llama 2, Llama 3, Code Llama", r"llama-3-|llama-2-|codellama", "", "", _TOOL_DOCS),
    ModelFamily("Magistral", r"magistral", "mistral", "mistral", _REGISTRY),
    ModelFamily("Mistral v0.1, v0.2", r"mistral-7b-instruct-v0\.[12]|mixtral-8x7b", "", "", _TOOL_DOCS),
    ModelFamily(
        "Mistral", r"mistralai/|mistral-(7b|nemo|small|large)|ministral|devstral", "mistral", "", _TOOL_DOCS
    ),
    ModelFamily("Granite 4", r"granite-4", "granite4", "", _TOOL_DOCS, ("granitemoehybrid",)),
    ModelFamily("Granite 3.1, 3.2, 3.3", r"granite-3\.[123]", "granite", "", _TOOL_DOCS),
    ModelFamily("Phi-3, Phi-4", r"phi-3|/phi-4$", "", "", _TOOL_DOCS),
    ModelFamily("gpt-oss", r"gpt-oss", "openai", "openai_gptoss", f"{_TOOL_DOCS}; {_REGISTRY}", ("gpt_oss",)),
    ModelFamily("GLM-4.7", r"glm-4\.7", "glm47", "glm47", f"{_TOOL_DOCS}; {_REGISTRY}"),
    ModelFamily("GLM-4.5", r"glm-4\.[56](?!v)", "glm45", "glm45", _BOTH_DOCS, ("glm4_moe",)),
    ModelFamily("Gemma 4", r"gemma-4", "gemma4", "gemma4", _REGISTRY, ("gemma4",)),
    ModelFamily("Seed-OSS", r"seed-oss", "seed_oss", "seed_oss", _REGISTRY, ("seed_oss",)),
    ModelFamily("LFM2", r"lfm2(?!-vl|-audio|-colbert)", "lfm2", "", _REGISTRY, ("lfm2", "lfm2_moe")),
    ModelFamily("Olmo 3 Think", r"olmo-3.*think", "olmo3", "olmo3", f"{_TOOL_DOCS}; {_REGISTRY}"),
    ModelFamily("Olmo 3", r"olmo-3.*instruct", "olmo3", "", _TOOL_DOCS),
    ModelFamily("Jamba 1.5", r"jamba-1\.5", "jamba", "", _TOOL_DOCS),
    ModelFamily("Kimi K2 Thinking", r"kimi-k2-thinking", "kimi_k2", "kimi_k2", f"{_TOOL_DOCS}; {_REGISTRY}"),
    ModelFamily("Kimi K2", r"kimi-k2-instruct", "kimi_k2", "", _TOOL_DOCS),
    ModelFamily("Hunyuan A13B", r"hunyuan-a13b", "hunyuan_a13b", "hunyuan_a13b", _BOTH_DOCS),
    ModelFamily("ERNIE 4.5 Thinking", r"ernie-4\.5.*thinking", "ernie45", "ernie45", _REASONING_DOCS),
    ModelFamily("LongCat Flash", r"longcat-flash-chat", "longcat", "", _TOOL_DOCS),
    ModelFamily("MiniMax M2", r"minimax-m2", "minimax_m2", "minimax_m2_append_think", _REASONING_DOCS),
    ModelFamily("GigaChat 3", r"gigachat3", "gigachat3", "", _TOOL_DOCS),
)
"""The first row whose pattern is found applies."""


def find_family(repository: str, config: Mapping[str, Any]) -> ModelFamily | None:
    """The family of a model by its repository's name, else by `model_type` of its config.json."""
    name = repository.lower()
    by_name = next((each for each in MODEL_FAMILIES if re.search(each.pattern, name)), None)
    if by_name is not None:
        return by_name
    model_type = config.get("model_type")
    return next((each for each in MODEL_FAMILIES if model_type in each.model_types), None)
