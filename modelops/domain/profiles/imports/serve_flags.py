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
from modelops.domain.profiles.extra_flags import (
    EXTRA_FLAGS,
    REFUSED_FLAGS,
    SIMULATOR_PREFIX,
    explain_flag,
    list_flag_fields,
)
from modelops.domain.profiles.imports.engine_call import LeftOut, Taken, find_variables, refuse_variables
from modelops.domain.profiles.imports.written_flags import SERVED_NAMES, WrittenFlag, split_flags
from modelops.domain.profiles.kinds import Kind, Problems
from modelops.domain.profiles.setting import Setting, list_settings
from modelops.domain.profiles.spec import ProfileSpec
from modelops.domain.profiles.syntax import SERVED_NAME

SYNONYMS = {"dtype": {"half": "float16", "float": "float32"}, "max-model-len": {"-1": "auto"}}
_COUNT = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kKmMgG])")
_UNITS = {"k": 1000, "m": 1000**2, "g": 1000**3, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
"""`human_readable_int` (vllm/engine/arg_utils.py): small letters count in thousands, large ones in 1,024s."""


@dataclass
class ImportedFlags:
    """`values` are a profile's, under its fields' names."""

    values: dict[str, Any] = field(default_factory=dict)
    left_out: list[LeftOut] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)


@dataclass(frozen=True)
class _Target:
    """What a flag sets: a field of the profile, or one of its further flags."""

    kind: Kind
    setting: Setting | None = None


@cache
def _list_targets() -> Mapping[str, _Target]:
    targets = {
        name: _Target(each.kind, each) for name, each in list_flag_fields().items() if name != SERVED_NAMES
    }
    return targets | {extra.name: _Target(extra.kind) for extra in EXTRA_FLAGS}


def read_arguments(words: tuple[str, ...], *, model: str = "") -> ImportedFlags:
    """The settings that the arguments stand for. Raises FieldError where no model is named.

    What a profile cannot set, or not to this value, is left out with the reason. `model` is the repository
    where the arguments name another place, such as a folder.
    """
    settings = ImportedFlags()
    named, flags = split_flags(words, settings.left_out)
    for each in flags:
        if each.name == "model":
            named = each.values[0] if each.values else named
        else:
            _take_flag(settings, each)
    if not (model or named):
        raise FieldError("model", fill_in("is not named: neither after `vllm serve` nor with --model"))
    if model and named and named != model:
        settings.left_out.append(LeftOut(named, fill_in("{model} is taken instead", model=model)))
    _take_model(settings, model or named)
    return settings


def _take_model(settings: ImportedFlags, model: str) -> None:
    refuse_variables("model", model)
    problems: Problems = []
    kind = next(each.kind for each in list_settings(ProfileSpec) if each.name == "repository")
    settings.values["repository"] = kind.read("model", model, problems)
    if problems:
        raise FieldError(
            "model", fill_in("{reason}; --repository says which one it is", reason=problems[0].reason)
        )
    settings.taken.insert(0, Taken(model, "repository", model))


def _take_flag(settings: ImportedFlags, flag: WrittenFlag) -> None:
    if unknown := [name for value in flag.values for name in find_variables(value)]:
        reason = fill_in("uses {name}, whose value is not in the text", name=unknown[0])
        settings.left_out.append(LeftOut(f"--{flag.name}", reason))
    elif flag.name == SERVED_NAMES:
        _take_names(settings, flag)
    else:
        _take_known(settings, flag)


def _take_names(settings: ImportedFlags, flag: WrittenFlag) -> None:
    """The first name is the one in responses, the others are aliases."""
    names: list[str] = []
    for name in dict.fromkeys(flag.values):
        problems: Problems = []
        SERVED_NAME.read(SERVED_NAMES, name, problems)
        settings.left_out += [LeftOut(f"--{SERVED_NAMES} {name}", each.reason) for each in problems]
        names += [] if problems else [name]
    settings.values["served_model_name"] = names[0] if names else ""
    settings.values["aliases"] = names[1:]
    if names:
        settings.taken.append(Taken(str(flag), "served_model_name", names[0]))
    if names[1:]:
        settings.taken.append(Taken(str(flag), "aliases", names[1:]))


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
        settings.left_out.append(LeftOut(str(flag), explain_flag(flag.name)))
        return
    try:
        value = _read_values(target, name, flag, settings.left_out, is_off=is_off)
    except FieldError as exc:
        settings.left_out.append(LeftOut(str(flag), exc.reason))
        return
    if value in ({}, []):
        return  # nothing of it was taken, and each part says why
    if target.setting is not None:
        settings.values[target.setting.name] = value
    else:
        settings.values.setdefault("extra_flags", {})[name] = value
    place = target.setting.name if target.setting is not None else f"extra_flags.{name}"
    settings.taken.append(Taken(str(flag), place, value))


def _read_values(
    target: _Target, name: str, flag: WrittenFlag, left_out: list[LeftOut], *, is_off: bool
) -> Any:
    """The value in its stored form. Raises FieldError for one that the kind does not take.

    Of an object, the keys that pass are taken and the others are left out one by one.
    """
    if target.kind.is_switch:
        said = flag.values[0].lower() if flag.values else "true"
        return _read(target.kind, name, (said == "true") is not is_off)
    if not flag.values:
        raise FieldError(name, fill_in("has no value"))
    problem: FieldError | None = None
    for candidate in _list_candidates(target, name, flag.values):
        if isinstance(candidate, dict) and candidate:
            candidate = _drop_bad_keys(target.kind, name, candidate, left_out)
        try:
            return _read(target.kind, name, candidate)
        except FieldError as exc:
            if not isinstance(candidate, list):  # which nobody has written
                problem = exc
    raise problem or FieldError(name, fill_in("cannot be read"))


def _read(kind: Kind, name: str, value: Any) -> Any:
    problems: Problems = []
    read = kind.read(name, value, problems)
    if problems:
        raise problems[0]
    return list(read) if isinstance(read, tuple) else read


def _drop_bad_keys(kind: Kind, name: str, value: dict[str, Any], left_out: list[LeftOut]) -> dict[str, Any]:
    problems: Problems = []
    kind.read(name, value, problems)
    bad: dict[str, FieldError] = {}
    for problem in problems:
        for key in value:
            path = f"{name}.{key[:60]}"
            if problem.field == path or problem.field.startswith((f"{path}.", f"{path}[")):
                bad.setdefault(key, problem)
    left_out += [LeftOut(f"--{each.field}", each.reason) for each in bad.values()]
    return {key: each for key, each in value.items() if key not in bad}


def _list_candidates(target: _Target, name: str, values: tuple[str, ...]) -> Iterator[Any]:
    """What the words may stand for: themselves, a number with its unit, any JSON, a list of one."""
    flag = target.setting.flag if target.setting is not None else None
    if flag is not None and flag.restore is not None:
        yield flag.restore(list(values))
        return
    word = SYNONYMS.get(name, {}).get(values[0], values[0])
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
