"""Adapters (LoRA) of a profile, as words of the engine's command line and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.kinds import Kind, Problems, whole

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""`MaxLoRARanks` (vllm/config/lora.py)."""

_ANY_RANK = whole(_RANKS[0], _RANKS[-1], is_optional=True)


def _read_rank(field: str, value: Any, problems: Problems) -> Any:
    before = len(problems)
    rank = _ANY_RANK.read(field, value, problems)
    if rank is not None and len(problems) == before and rank not in _RANKS:
        ranks = ", ".join(map(str, _RANKS))
        problems.append(
            FieldError(field, fill_in("must be one of {values}, not {value}", values=ranks, value=rank))
        )
    return rank


RANKS = Kind("one of " + ", ".join(f"`{rank}`" for rank in _RANKS), _read_rank)


def write_adapters(adapters: Mapping[str, str]) -> list[str]:
    """`NAME=REPOSITORY` for each, as `--lora-modules` takes them."""
    return [f"{name}={repository}" for name, repository in adapters.items()]


def read_adapters(words: list[str]) -> dict[str, str]:
    """The adapters that such words name. Raises FieldError for a word without a name."""
    pairs = [word.partition("=") for word in words]
    if any(not equals for _name, equals, _repository in pairs):
        raise FieldError("lora_adapters", fill_in("must be given as NAME=REPOSITORY"))
    return {name: repository for name, _equals, repository in pairs}
