"""What a start of an engine says, whatever it is written in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError

SERVER_MODULES = ("vllm.entrypoints.openai.api_server", "vllm.entrypoints.cli.main")
SHELLS = ("bash", "sh", "dash", "zsh")
ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)
VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)[^}]*\}|([A-Za-z_][A-Za-z0-9_]*)|(\())|`")

_PYTHON = re.compile(r"python[0-9.]*")
_HOW_IT_IS_STARTED = fill_in("the gateway starts the engine in its own way")


@dataclass(frozen=True)
class LeftOut:
    """Something of a start that a profile does not take over. `what` holds no secret."""

    what: str
    reason: str


@dataclass(frozen=True)
class Taken:
    """Something of a start that a profile takes over: as it was written, and the field it became."""

    what: str
    field: str
    value: Any


@dataclass(frozen=True)
class EngineCommand:
    """One start of an engine. `words` are its arguments after `vllm serve`, `cards` the GPUs it may see.

    `name` and `aliases` are what the clients of a router ask for, where one starts it.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    image: str = ""
    cards: tuple[str, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    name: str = ""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundServer:
    """The engine's arguments within a command, and the words in front of it."""

    before: tuple[str, ...]
    arguments: tuple[str, ...]


def find_server(words: tuple[str, ...]) -> FoundServer | None:
    """Where `vllm serve` or the module of vLLM's server stands; None where neither does."""
    for index, word in enumerate(words[:-1]):
        following = words[index + 1]
        if PurePosixPath(word).name == "vllm" and following == "serve":
            return FoundServer(words[:index], words[index + 2 :])
        if word == "-m" and following in SERVER_MODULES:
            arguments = words[index + 2 :]
            is_cli = following == SERVER_MODULES[1] and arguments[:1] == ("serve",)
            return FoundServer(words[:index], arguments[1:] if is_cli else arguments)
    return None


def find_script(words: tuple[str, ...]) -> str | None:
    """The text that `bash -c TEXT` runs; None for another command."""
    if len(words) < 3 or PurePosixPath(words[0]).name not in SHELLS:
        return None
    flags = [index for index, word in enumerate(words[:-1]) if word.startswith("-") and word.endswith("c")]
    return words[flags[0] + 1] if flags else None


def split_assignments(words: tuple[str, ...]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The variables that are set in front of a command, also by `env` and `export`, and the rest."""
    environment: dict[str, str] = {}
    rest: list[str] = []
    for index, word in enumerate(words):
        match = ASSIGNMENT.fullmatch(word)
        if match:
            environment[match[1]] = match[2]
        elif word not in ("env", "export"):
            rest += words[index:]
            break
    return environment, tuple(rest)


def explain_prefix(words: tuple[str, ...]) -> Iterator[LeftOut]:
    """What stands in front of the server and is not part of it, such as `sudo` or `nohup`."""
    kept = [word for word in words if not _PYTHON.fullmatch(PurePosixPath(word).name)]
    if kept:
        yield LeftOut(" ".join(kept), _HOW_IT_IS_STARTED)


def find_variables(word: str) -> tuple[str, ...]:
    """The names of shell variables in a word; `$(…)` for what a shell would run."""
    if word.startswith("{"):  # JSON, which people put in single quotes
        return ()
    return tuple(match[1] or match[2] or "$(…)" for match in VARIABLE.finditer(word))


def refuse_variables(field_name: str, word: str) -> None:
    """Raises FieldError where a word that is needed depends on a variable."""
    if names := find_variables(word):
        reason = fill_in(
            "uses {name}, whose value is not in the text: write the value in its place", name=names[0]
        )
        raise FieldError(field_name, reason)
