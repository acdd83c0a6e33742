"""The arguments of `vllm serve` as the settings of a profile."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.extra_flags import EXTRA_FLAGS, REFUSED_FLAGS, SIMULATOR_PREFIX, explain_flag
from modelops.domain.profiles.imports.engine_call import LeftOut, find_variables, refuse_variables
from modelops.domain.profiles.kinds import Kind, Problems
from modelops.domain.profiles.setting import Setting, list_settings
from modelops.domain.profiles.spec import ProfileSpec
from modelops.domain.profiles.syntax import SERVED_NAME

SHORT_NAMES = {
    "tp": "tensor-parallel-size",
    "pp": "pipeline-parallel-size",
    "dp": "data-parallel-size",
    "ep": "enable-expert-parallel",
    "q": "quantization",
    "cc": "compilation-config",
    "O": "optimization-level",
}
"""Of `vllm serve --help`."""
SYNONYMS = {"dtype": {"half": "float16", "float": "float32"}, "max-model-len": {"-1": "auto"}}
SERVED_NAMES = "served-model-name"
_SHORT = re.compile(r"-([A-Za-z]+)(?:=?(.*))?")
_NEGATIVE = re.compile(r"-[0-9.]+")
_COUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKmMgG])")
_UNITS = {"k": 1000, "m": 1000**2, "g": 1000**3, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
"""`human_readable_int` (vllm/engine/arg_utils.py): small letters count in thousands, large ones in 1,024s."""
_SECRET = re.compile(r"key|token|secret|password", re.IGNORECASE)


@dataclass(frozen=True)
class WrittenFlag:
    """A flag as it was given: its long name without dashes, and its values; none for a switch."""

    name: str
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As people wrote it, without values that may be secret."""
        shown = () if _SECRET.search(self.name) else self.values
        return " ".join((f"--{self.name}", *shown))


@dataclass
class ImportedFlags:
    """`values` are a profile's, under its fields' names."""

    values: dict[str, Any] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)


@dataclass(frozen=True)
class _Target:
    """What a flag sets: a field of the profile, or one of its further flags."""

    kind: Kind
    setting: Setting | None = None


@cache
def _list_targets() -> Mapping[str, _Target]:
    targets = {
        each.flag.name: _Target(each.kind, each)
        for each in list_settings(ProfileSpec)
        if each.flag is not None and each.flag.name != SERVED_NAMES
    }
    return targets | {extra.name: _Target(extra.kind) for extra in EXTRA_FLAGS}


def read_arguments(words: tuple[str, ...]) -> ImportedFlags:
    """The settings that the arguments stand for. Raises FieldError where no model is named.

    What a profile cannot set, or not to this value, is left out with the reason.
    """
    settings = ImportedFlags()
    model, flags = _split_flags(words, settings.left_out)
    for each in flags:
        if each.name == "model":
            model = each.values[0] if each.values else model
        else:
            _take_flag(settings, each)
    if not model:
        raise FieldError("model", fill_in("is not named: neither after `vllm serve` nor with --model"))
    refuse_variables("model", model)
    _take_model(settings, model)
    return settings


def _take_model(settings: ImportedFlags, model: str) -> None:
    problems: Problems = []
    kind = next(each.kind for each in list_settings(ProfileSpec) if each.name == "repository")
    settings.values["repository"] = kind.read("model", model, problems)
    if problems:
        raise problems[0]


def _take_flag(settings: ImportedFlags, flag: WrittenFlag) -> None:
    if unknown := [name for value in flag.values for name in find_variables(value)]:
        reason = fill_in("uses {name}, whose value is not in the text", name=unknown[0])
        settings.left_out.append(LeftOut(f"--{flag.name}", reason))
    elif flag.name == SERVED_NAMES:
        _take_names(settings, flag.values)
    else:
        _take_known(settings, flag)


def _take_names(settings: ImportedFlags, names: tuple[str, ...]) -> None:
    """The first name is the one in responses, the others are aliases."""
    taken: list[str] = []
    for name in dict.fromkeys(names):
        problems: Problems = []
        SERVED_NAME.read(SERVED_NAMES, name, problems)
        settings.left_out += [LeftOut(f"--{SERVED_NAMES} {name}", each.reason) for each in problems]
        taken += [] if problems else [name]
    settings.values["served_model_name"] = taken[0] if taken else ""
    settings.values["aliases"] = taken[1:]


def _take_known(settings: ImportedFlags, flag: WrittenFlag) -> None:
    name = flag.name
    target = _list_targets().get(name)
    is_off = target is None and name.startswith("no-")
    if is_off:
        name = name.removeprefix("no-")
        target = _list_targets().get(name)
        target = target if target is not None and target.kind.is_switch else None
    if name.startswith(SIMULATOR_PREFIX):
        settings.left_out.append(LeftOut(str(flag), fill_in("is for the simulated engine alone")))
        return
    if target is None or name in REFUSED_FLAGS:
        settings.left_out.append(LeftOut(str(flag), explain_flag(name)))
        return
    try:
        value = _read_values(target.kind, name, flag.values, is_off=is_off)
    except FieldError as exc:
        settings.left_out.append(LeftOut(str(flag), exc.reason))
        return
    if target.setting is not None:
        settings.values[target.setting.name] = value
    else:
        settings.values.setdefault("extra_flags", {})[name] = value


def _read_values(kind: Kind, name: str, values: tuple[str, ...], *, is_off: bool) -> Any:
    """The value in its stored form. Raises FieldError for one that the kind does not take."""
    if kind.is_switch:
        said = values[0].lower() if values else "true"
        return (said == "true") is not is_off
    if not values:
        raise FieldError(name, fill_in("has no value"))
    word = SYNONYMS.get(name, {}).get(values[0], values[0])
    problem: FieldError | None = None
    for candidate in _list_readings(word):
        problems: Problems = []
        read = kind.read(name, candidate, problems)
        if not problems:
            return list(read) if isinstance(read, tuple) else read
        if not isinstance(candidate, list):  # which nobody has written
            problem = problems[0]
    raise problem or FieldError(name, fill_in("cannot be read"))


def _list_readings(word: str) -> Iterator[Any]:
    """What a word may stand for: itself, a number with its unit, any JSON, a list of one."""
    yield word
    if match := _COUNT.fullmatch(word):
        yield int(float(match[1]) * _UNITS[match[2]])
    yield [word]
    try:
        value = json.loads(word)
    except (ValueError, RecursionError):
        return
    if not isinstance(value, str):
        yield value


def _split_flags(words: tuple[str, ...], left_out: list[LeftOut]) -> tuple[str, list[WrittenFlag]]:
    """The model that stands without a flag, empty for none, and the flags with their values."""
    model, flags = "", []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-"):
            if model:
                left_out.append(LeftOut(word, fill_in("stands where no flag takes it")))
            model = model or word
            continue
        if word.strip("-"):
            name, value = _read_name(word)
            values = (value,) if value is not None else tuple(_take_values(name, rest))
            flags.append(WrittenFlag(name, values))
    return model, flags


def _read_name(word: str) -> tuple[str, str | None]:
    """The long name of a flag, and the value that is written together with it."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        return name.replace("_", "-"), value if equals else None
    match = _SHORT.fullmatch(word)
    letters, rest = (match[1], match[2]) if match else (word.strip("-"), "")
    if letters not in SHORT_NAMES and letters[:1] == "O":
        letters, rest = "O", letters[1:] + rest
    return SHORT_NAMES.get(letters, letters), rest or None


def _take_values(name: str, rest: list[str]) -> Iterator[str]:
    """The words that belong to the flag before them, taken off the rest."""
    target = _list_targets().get(name.removeprefix("no-"))
    if target is not None and target.kind.is_switch:
        if rest and rest[0].lower() in ("true", "false"):
            yield rest.pop(0)
        return
    while rest and (not rest[0].startswith("-") or _NEGATIVE.fullmatch(rest[0])):
        yield rest.pop(0)
        if name != SERVED_NAMES:
            return
