"""Entries of llama-swap's configuration: a command line for each model, with macros in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.command_line import read_command
from modelops.domain.profiles.imports.engine_call import EngineCommand, LeftOut

_MACRO = re.compile(r"\$\{([A-Za-z0-9_.-]+)\}")
_MOST_ROUNDS = 10
"""Macros may hold macros; llama-swap refuses those that hold themselves."""
_PORT = "${PORT}"
_OURS = fill_in("engines are started, watched and stopped by the gateway")
_REASONS: Mapping[str, str] = {
    "ttl": fill_in("a model stays loaded until another one is switched to"),
    "proxy": fill_in("the gateway finds its engine by itself"),
    "checkEndpoint": fill_in("the gateway asks the engine for its health by itself"),
    "useModelName": fill_in("follows from served_model_name"),
    "unlisted": fill_in("a disabled profile is not listed"),
    "filters": fill_in("defaults of sampling belong into override_generation_config"),
    "concurrencyLimit": fill_in("belongs into max_concurrent_requests"),
}
_READ = frozenset({"cmd", "env", "aliases", "macros", "name", "description"})


def read_llama_swap(document: Mapping[str, Any]) -> dict[str, EngineCommand | FieldError]:
    """The models of the file by name: how each is started, or why it cannot be taken over."""
    models = document.get("models")
    if not isinstance(models, Mapping) or not models:
        raise FieldError("models", fill_in("names no models"))
    macros = _read_macros(document.get("macros"))
    found: dict[str, EngineCommand | FieldError] = {}
    for name, entry in models.items():
        try:
            found[str(name)] = _read_model(str(name), entry, macros)
        except FieldError as exc:
            found[str(name)] = exc
    return found


def _read_model(name: str, entry: Any, macros: Mapping[str, str]) -> EngineCommand:
    if not isinstance(entry, Mapping):
        raise FieldError("models", fill_in("is no mapping"))
    cmd = entry.get("cmd")
    if not isinstance(cmd, str) or not cmd.strip():
        raise FieldError("cmd", fill_in("is missing"))
    known = {**macros, **_read_macros(entry.get("macros")), "MODEL_ID": name}
    call = read_command(_to_one_line(_fill_macros(cmd, known)))
    words, ports = _drop_port(call.words)
    return replace(
        call,
        words=words,
        environment={**_read_environment(entry.get("env"), known), **call.environment},
        left_out=(*call.left_out, *ports, *_explain_rest(entry)),
        name=name,
        aliases=tuple(str(alias) for alias in _list(entry.get("aliases"))),
    )


def _to_one_line(cmd: str) -> str:
    """llama-swap splits a command into words over all of its lines, and skips those that are comments."""
    lines = [line.strip().removesuffix("\\") for line in cmd.splitlines()]
    return " ".join(line for line in lines if not line.startswith("#"))


def _read_macros(value: Any) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}


def _fill_macros(text: str, macros: Mapping[str, str]) -> str:
    """With every macro in its place; names that are none, and `${PORT}`, stay as they are."""
    for _round in range(_MOST_ROUNDS):
        filled = _MACRO.sub(lambda match: macros.get(match[1], match[0]), text)
        if filled == text:
            break
        text = filled
    return text


def _drop_port(words: tuple[str, ...]) -> tuple[tuple[str, ...], list[LeftOut]]:
    """Without the port that llama-swap would have chosen."""
    kept: list[str] = []
    left_out: list[LeftOut] = []
    for word in words:
        if _PORT not in word:
            kept.append(word)
            continue
        flag = kept.pop() if "=" not in word and kept and kept[-1].startswith("-") else ""
        left_out.append(LeftOut(f"{flag} {word}".strip(), fill_in("ports are set by the gateway")))
    return tuple(kept), left_out


def _read_environment(value: Any, macros: Mapping[str, str]) -> dict[str, str]:
    pairs = (_fill_macros(str(each), macros).partition("=") for each in _list(value))
    return {name: content for name, equals, content in pairs if equals}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _explain_rest(entry: Mapping[str, Any]) -> Iterator[LeftOut]:
    for name in entry:
        if name not in _READ:
            yield LeftOut(str(name), _REASONS.get(str(name), _OURS))
