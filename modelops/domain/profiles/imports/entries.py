"""What somebody else wrote to start or reach engines, told apart by its shape, entry by entry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from gateway.wording import Translatable
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.command_line import read_commands
from modelops.domain.profiles.imports.compose_file import read_services
from modelops.domain.profiles.imports.engine_call import EngineCommand
from modelops.domain.profiles.imports.imported_profile import ImportedProfile
from modelops.domain.profiles.imports.litellm_config import read_litellm
from modelops.domain.profiles.imports.llama_swap import read_llama_swap
from modelops.domain.profiles.imports.vllm_config_file import read_vllm_config

Found = EngineCommand | ImportedProfile | FieldError
"""How an engine is started, or the profile itself, or why the entry is neither."""


class SourceKind(StrEnum):
    COMMAND = "command"
    COMPOSE = "compose"
    LLAMA_SWAP = "llama-swap"
    LITELLM = "litellm"
    VLLM_CONFIG = "vllm-config"


KIND_WORDS: Mapping[SourceKind, Translatable] = {
    SourceKind.COMMAND: "command line",
    SourceKind.COMPOSE: "compose file",
    SourceKind.LLAMA_SWAP: "configuration of llama-swap",
    SourceKind.LITELLM: "configuration of LiteLLM",
    SourceKind.VLLM_CONFIG: "configuration file of vLLM",
}

_TOP_KEYS = (
    (SourceKind.COMPOSE, r"services"),
    (SourceKind.LITELLM, r"model_list"),
    (SourceKind.LLAMA_SWAP, r"models"),
    (SourceKind.VLLM_CONFIG, r"model|model_tag|model-tag"),
)


def find_source_kind(text: str) -> SourceKind | None:
    """By the keys at the left margin, as YAML has them; None for a text without them."""
    for kind, keys in _TOP_KEYS:
        if re.search(rf"^(?:{keys})[ \t]*:(?:\s|$)", text, re.MULTILINE):
            return kind
    return None


def read_document(kind: SourceKind, document: Mapping[str, Any], *, repository: str = "") -> dict[str, Found]:
    """The entries of a file of YAML by name. Raises FieldError where there are none."""
    if kind is SourceKind.COMPOSE:
        return dict(read_services(document))
    if kind is SourceKind.LITELLM:
        return dict(read_litellm(document, repository=repository))
    if kind is SourceKind.LLAMA_SWAP:
        return dict(read_llama_swap(document))
    return {"1": read_vllm_config(document)}


def read_text(text: str) -> dict[str, Found]:
    """The starts of engines in a text of commands, numbered from 1. Raises FieldError where there is none."""
    return {str(number): call for number, call in enumerate(read_commands(text), start=1)}
