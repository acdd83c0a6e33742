"""The arguments of `vllm serve` as flags with their values, older spellings as the ones of today."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from gateway.wording import fill_in
from modelops.domain.profiles.extra_flags import EXTRA_FLAGS, list_flag_fields
from modelops.domain.profiles.imports.engine_call import LeftOut

SHORT_NAMES = {
    "tp": "tensor-parallel-size",
    "pp": "pipeline-parallel-size",
    "dp": "data-parallel-size",
    "ep": "enable-expert-parallel",
    "q": "quantization",
    "cc": "compilation-config",
    "O": "optimization-level",
    "sc": "speculative-config",
    "ac": "attention-config",
}
"""Of `vllm serve --help`."""
SERVED_NAMES = "served-model-name"
_SHORT = re.compile(r"-([A-Za-z]+)(?:[=.]?(.*))?", re.DOTALL)
_NEGATIVE = re.compile(r"-[0-9.]+")
_SECRET = re.compile(r"key|token(?!iz)|secret|password", re.IGNORECASE)
_NO_SECRETS = frozenset({"max-num-batched-tokens", "num-speculative-tokens", "long-prefill-token-threshold"})
_TASKS = {
    "generate": ("generate", None),
    "transcription": ("generate", None),
    "embed": ("pooling", "embed"),
    "embedding": ("pooling", "embed"),
    "classify": ("pooling", "classify"),
    "score": ("pooling", "classify"),
    "reward": ("pooling", None),
}
_PARTS = {
    "spec-method": ("speculative-config", "method"),
    "spec-model": ("speculative-config", "model"),
    "spec-tokens": ("speculative-config", "num_speculative_tokens"),
    "speculative-model": ("speculative-config", "model"),
    "num-speculative-tokens": ("speculative-config", "num_speculative_tokens"),
    "ngram-prompt-lookup-max": ("speculative-config", "prompt_lookup_max"),
    "ngram-prompt-lookup-min": ("speculative-config", "prompt_lookup_min"),
    "rope-scaling": ("hf-overrides", "rope_scaling"),
    "rope-theta": ("hf-overrides", "rope_theta"),
    "guided-decoding-backend": ("structured-outputs-config", "backend"),
}
"""Flags of older versions that are keys of a JSON flag today."""
_RENAMED = {"override-pooler-config": "pooler-config"}


@dataclass(frozen=True)
class WrittenFlag:
    """A flag: its long name without dashes, and its values; none for a switch. `written` is how it stood."""

    name: str
    values: tuple[str, ...] = ()
    written: str = ""

    def __str__(self) -> str:
        """As people wrote it, without values that may be secret."""
        if self.written:
            return self.written
        is_secret = _SECRET.search(self.name) and self.name not in _NO_SECRETS
        return " ".join((f"--{self.name}", *(() if is_secret else self.values)))


def split_flags(words: tuple[str, ...], left_out: list[LeftOut]) -> tuple[str, list[WrittenFlag]]:
    """The model that stands without a flag, empty for none, and the flags with their values.

    What is written in an older way, or piece by piece (`--hf-overrides.rope_theta 1e6`), is put together.
    """
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
    return model, _join_parts([each for flag in flags for each in _modernise(flag)])


def _read_name(word: str) -> tuple[str, str | None]:
    """The long name of a flag, and the value that is written together with it."""
    if word.startswith("--"):
        name, equals, value = word[2:].partition("=")
        head, dot, keys = name.partition(".")
        return head.replace("_", "-") + dot + keys, value if equals else None
    match = _SHORT.fullmatch(word)
    letters, rest = (match[1], match[2]) if match else (word.strip("-"), "")
    if letters not in SHORT_NAMES and letters[:1] == "O":
        letters, rest = "O", letters[1:] + rest
    if match and word[1 + len(letters) :].startswith("."):
        key, _equals, value = rest.partition("=")
        return f"{SHORT_NAMES.get(letters, letters)}.{key}", value or None
    return SHORT_NAMES.get(letters, letters), rest or None


def _take_values(name: str, rest: list[str]) -> Iterator[str]:
    """The words that belong to the flag before them, taken off the rest."""
    if name.removeprefix("no-") in _list_switches():
        if rest and rest[0].lower() in ("true", "false"):
            yield rest.pop(0)
        return
    while rest and (not rest[0].startswith("-") or _NEGATIVE.fullmatch(rest[0])):
        yield rest.pop(0)
        if name not in _list_flags_of_words():
            return


@cache
def _list_switches() -> frozenset[str]:
    fields = {name for name, setting in list_flag_fields().items() if setting.kind.is_switch}
    return frozenset(fields | {extra.name for extra in EXTRA_FLAGS if extra.kind.is_switch})


@cache
def _list_flags_of_words() -> frozenset[str]:
    several = {name for name, each in list_flag_fields().items() if each.flag and each.flag.restore}
    return frozenset(several | {SERVED_NAMES})


def _modernise(flag: WrittenFlag) -> Iterator[WrittenFlag]:
    """The flag, or those that take its place today."""
    written, value = str(flag), flag.values[0] if flag.values else ""
    if flag.name == "task" and value in _TASKS:
        runner, convert = _TASKS[value]
        yield WrittenFlag("runner", (runner,), written)
        if convert is not None:
            yield WrittenFlag("convert", (convert,), written)
    elif flag.name == "disable-log-requests":
        yield WrittenFlag("no-enable-log-requests", (), written)
    elif flag.name == "optimization-level" and value.startswith("{"):
        yield WrittenFlag("compilation-config", flag.values, written)
    elif flag.name == "limit-mm-per-prompt" and "=" in value and not value.startswith("{"):
        limits = dict(part.partition("=")[::2] for part in value.split(","))
        yield WrittenFlag(
            flag.name, (json.dumps({key: _read_value(v) for key, v in limits.items()}),), written
        )
    elif flag.name == "speculative-model" and value == "[ngram]":
        yield WrittenFlag("speculative-config.method", ("ngram",), written)
    elif flag.name in _PARTS:
        base, key = _PARTS[flag.name]
        plain = value.partition(":")[0] if key == "backend" else value
        yield WrittenFlag(f"{base}.{key}", (plain,), written)
    elif flag.name == "lora-modules":
        yield WrittenFlag(flag.name, tuple(_write_adapter(each) for each in flag.values), written)
    else:
        yield WrittenFlag(_RENAMED.get(flag.name, flag.name), flag.values, written)


def _write_adapter(word: str) -> str:
    """`NAME=PATH`, also of the JSON that newer versions take."""
    adapter = _read_value(word)
    if isinstance(adapter, Mapping):
        return f"{adapter.get('name', '')}={adapter.get('path', '')}"
    return word


def _read_value(word: str) -> Any:
    """The JSON that a word is, else the word."""
    try:
        return json.loads(word)
    except (ValueError, RecursionError):
        return word


def _join_parts(flags: Iterable[WrittenFlag]) -> list[WrittenFlag]:
    """The flags with those that are one key each, `--NAME.KEY VALUE`, put together as one of JSON."""
    flags = list(flags)
    bases = {each.name.partition(".")[0] for each in flags if "." in each.name}
    joined: dict[str, Any] = {base: {} for base in bases}
    written: dict[str, list[str]] = {base: [] for base in bases}
    for flag in flags:
        base, _dot, keys = flag.name.partition(".")
        value = _read_value(flag.values[0]) if flag.values else True
        if base in bases and (keys or isinstance(value, Mapping)):
            for key in reversed(keys.split(".") if keys else []):
                value = {key: value}
            joined[base] = _merge(joined[base], dict(value) if isinstance(value, Mapping) else {})
            written[base].append(str(flag))
    whole = [WrittenFlag(b, (json.dumps(joined[b]),), " ".join(written[b])) for b in sorted(bases)]
    return [*(flag for flag in flags if flag.name.partition(".")[0] not in bases), *whole]


def _merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for key, value in second.items():
        before = merged.get(key)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        merged[key] = _merge(before, value) if both and before is not None else value
    return merged
