"""The command line and environment that a row holds, put to the lists of what a profile may set once more.

They passed when they were made; since then anybody who can write to the database may have changed them, and
the lists may have become shorter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.environment import read_environment
from modelops.domain.profiles.extra_flags import EXTRA_FLAGS
from modelops.domain.profiles.kinds import Kind, Problems, boolean
from modelops.domain.profiles.setting import Setting, list_settings
from modelops.domain.profiles.spec import ProfileSpec
from modelops.domain.profiles.syntax import REPOSITORY, SERVED_NAME, SLUG
from modelops.domain.profiles.trusted_code import (
    TRUST_FLAG,
    explain_untrusted,
    list_argument_repositories,
)

_NAMES = "--served-model-name"
_DEVELOPMENT = "VLLM_SERVER_DEV_MODE"
_SWITCH = boolean()
_Convert = Callable[[Any], Any]


def find_stored_problems(
    arguments: Sequence[str], environment: Mapping[str, str], *, trusted_repositories: Collection[str] = ()
) -> list[FieldError]:
    """What of it a profile may not set; empty where all of it passes."""
    variables = dict(environment)
    if "--enable-sleep-mode" in arguments and variables.get(_DEVELOPMENT) == "1":
        del variables[_DEVELOPMENT]
    problems: Problems = []
    read_environment("environment", variables, problems)
    if TRUST_FLAG in arguments:
        reason = explain_untrusted(list_argument_repositories(arguments), trusted_repositories)
        problems += [FieldError("trust_remote_code", reason)] if reason else []
    return [*_find_argument_problems(list(arguments)), *problems]


def _find_argument_problems(arguments: list[str]) -> Iterator[FieldError]:
    command, model, *words = [*arguments, "", ""] if len(arguments) < 2 else arguments
    if command != "serve":
        yield FieldError(
            "arguments", fill_in("do not begin with serve but with {command}", command=repr(command))
        )
    if not (_passes(REPOSITORY, model) or _passes(SLUG, model)):
        yield FieldError("arguments", fill_in("serve {model}, which is no repository", model=repr(model)))
    while words:
        flag = words.pop(0)
        if flag == _NAMES:
            while words and not words[0].startswith("--"):
                yield from _check(flag, SERVED_NAME, words.pop(0), None)
            continue
        if flag in _list_flags_of_words():
            yield from _check_words(flag, _take_words(words))
            continue
        kind, convert = _list_flags().get(flag, (None, None))
        if kind is None:
            yield FieldError(
                "arguments", fill_in("hold {flag}, which a profile may not set", flag=repr(flag))
            )
        elif not kind.is_switch:
            yield from _check(flag, kind, words.pop(0) if words else "", convert)


def _take_words(words: list[str]) -> list[str]:
    """The words up to the next flag, taken off the rest."""
    taken = []
    while words and not words[0].startswith("--"):
        taken.append(words.pop(0))
    return taken


@cache
def _list_flags_of_words() -> Mapping[str, Setting]:
    """The settings that are several words behind one flag, by the flag."""
    return {
        f"--{each.flag.name}": each
        for each in list_settings(ProfileSpec)
        if each.flag is not None and each.flag.restore is not None
    }


def _check_words(flag: str, words: list[str]) -> Iterator[FieldError]:
    setting = _list_flags_of_words()[flag]
    if not words or not _passes_as_words(setting, words):
        text = fill_in("give {flag} the value {word}, which a profile may not", flag=flag, word=words[:3])
        yield FieldError("arguments", text)


def _passes_as_words(setting: Setting, words: list[str]) -> bool:
    flag = setting.flag
    if flag is None or flag.restore is None or flag.convert is None:
        return False
    problems: Problems = []
    try:
        read = setting.kind.read("", flag.restore(words), problems)
    except FieldError:
        return False
    return not problems and sorted(flag.convert(read)) == sorted(words)


@cache
def _list_flags() -> Mapping[str, tuple[Kind, _Convert | None]]:
    """Kind and conversion by flag, with the dashes in front."""
    flags: dict[str, tuple[Kind, _Convert | None]] = {}
    for each in list_settings(ProfileSpec):
        if each.flag is not None:
            flags[f"--{each.flag.name}"] = each.kind, each.flag.convert
            if each.flag.needs_switch is not None:
                flags[f"--{each.flag.needs_switch}"] = _SWITCH, None
    flags |= {f"--{extra.name}": (extra.kind, None) for extra in EXTRA_FLAGS}
    switches = {name: entry for name, entry in flags.items() if entry[0].is_switch}
    return flags | {f"--no-{name.removeprefix('--')}": entry for name, entry in switches.items()}


def _check(flag: str, kind: Kind, word: str, convert: _Convert | None) -> Iterator[FieldError]:
    if not any(_passes(kind, value, convert) for value in _read_word(word)):
        yield FieldError(
            "arguments",
            fill_in("give {flag} the value {word}, which a profile may not", flag=flag, word=repr(word[:60])),
        )


def _read_word(word: str) -> Iterator[Any]:
    """What a word of the command line may have been in the profile: a text, one of a list, a number."""
    yield word
    yield [word]
    try:
        value = json.loads(word)
    except ValueError:
        return
    if not isinstance(value, str):
        yield value


def _passes(kind: Kind, value: Any, convert: _Convert | None = None) -> bool:
    problems: Problems = []
    read = kind.read("", value, problems)
    if problems:
        return False
    written = read if convert is None else convert(read)
    # The engine gets the word itself, not what was made of it in reading.
    return not isinstance(value, str) or read is None or written == value
