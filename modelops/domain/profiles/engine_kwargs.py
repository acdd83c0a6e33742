"""The command line of an engine as keyword arguments, for what starts engines from Python.

vLLM makes its flags from the fields of `EngineArgs` and `FrontendArgs` (vllm/engine/arg_utils.py,
vllm/entrypoints/openai/cli_args.py), so a keyword is the flag with underscores. What the command line alone
understands, such as the context `auto`, is written as those fields take it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from modelops.domain.profiles.extra_flags import EXTRA_FLAGS, list_flag_fields
from modelops.domain.profiles.kinds import AUTO, Kind, Problems, boolean

SERVED_NAMES = "served-model-name"
AUTOMATIC_CONTEXT = -1
"""As `EngineArgs.max_model_len` stands for the longest context that fits."""
_SWITCH = boolean()


@dataclass(frozen=True)
class ServeCommand:
    """An engine's command line, taken apart. `kwargs` are by field of vLLM's, without model and names."""

    model: str
    served_names: tuple[str, ...]
    kwargs: Mapping[str, Any]

    @property
    def cards(self) -> int:
        """GPUs of one engine."""
        tensor, pipeline = (self.kwargs.get(f"{kind}_parallel_size", 1) for kind in ("tensor", "pipeline"))
        return int(tensor) * int(pipeline)


def read_serve_command(arguments: Sequence[str]) -> ServeCommand:
    """Take `serve MODEL --flag value …` apart, as `build_serve_arguments` writes it."""
    _command, model, *words = arguments
    names: tuple[str, ...] = ()
    kwargs: dict[str, Any] = {}
    for flag, values in _split(words):
        if flag == SERVED_NAMES:
            names = tuple(values)
            continue
        name, value = _read_flag(flag, values)
        if name in kwargs:
            kwargs[name] = [*_as_list(kwargs[name]), *_as_list(value)]
        else:
            kwargs[name] = value
    if kwargs.get("max_model_len") == AUTO:
        kwargs["max_model_len"] = AUTOMATIC_CONTEXT
    return ServeCommand(model, names or (model,), kwargs)


def _split(words: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """The flags without dashes, with their words; the word of a flag that takes one may begin with them."""
    rest = list(words)
    while rest:
        flag = rest.pop(0).removeprefix("--")
        if flag in _list_flags_of_words():
            values = []
            while rest and not rest[0].startswith("--"):
                values.append(rest.pop(0))
            yield flag, values
        else:
            is_switch = _find_kind(flag).is_switch
            yield flag, [] if is_switch or not rest else [rest.pop(0)]


def _read_flag(flag: str, values: Sequence[str]) -> tuple[str, Any]:
    if not values:
        name = flag.removeprefix("no-") if flag not in _list_kinds() else flag
        return name.replace("-", "_"), name == flag
    name = flag.replace("-", "_")
    if flag in _list_flags_of_words():
        return name, list(values)
    return name, _read_word(_find_kind(flag), values[0])


def _read_word(kind: Kind, word: str) -> Any:
    """The value that the word stands for: the text where the kind is one of texts, else what JSON reads."""
    if _passes(kind, word):
        return word
    if _passes(kind, [word]):
        return [word]
    try:
        return json.loads(word)
    except ValueError:
        return word


def _passes(kind: Kind, value: Any) -> bool:
    problems: Problems = []
    kind.read("", value, problems)
    return not problems


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _find_kind(flag: str) -> Kind:
    """The kind of a flag's value; a switch for what the table does not know, such as a flag's opposite."""
    return _list_kinds().get(flag, _SWITCH)


@cache
def _list_kinds() -> Mapping[str, Kind]:
    kinds = {name: each.kind for name, each in list_flag_fields().items()}
    return kinds | {each.name: each.kind for each in EXTRA_FLAGS}


@cache
def _list_flags_of_words() -> frozenset[str]:
    several = {name for name, each in list_flag_fields().items() if each.flag and each.flag.restore}
    return frozenset(several | {SERVED_NAMES})
