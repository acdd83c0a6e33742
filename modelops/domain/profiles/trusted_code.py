"""Whose code an engine may run: that of the repositories which the operator names, and of no others."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from gateway.wording import fill_in

if TYPE_CHECKING:
    from modelops.domain.profiles.spec import ProfileSpec

TRUST_FLAG = "--trust-remote-code"
_SPECULATION = "--speculative-config"
_TOKENIZERS = ("--tokenizer", "--model")


def explain_untrusted(repositories: Iterable[str], trusted: Collection[str]) -> str:
    """Why code of these repositories may not be run, nothing where all of them are trusted."""
    untrusted = [repository for repository in repositories if repository not in trusted]
    if not untrusted:
        return ""
    return fill_in(
        "would run code of {repository}, which the setting TRUST_REMOTE_CODE_REPOSITORIES does not name: "
        "whoever operates this server can add it there",
        repository=untrusted[0],
    )


def list_code_repositories(spec: ProfileSpec) -> Iterator[str]:
    """Where the engine takes code from once it trusts it: the model, its tokenizer and its draft model."""
    yield spec.repository
    for repository in (spec.extra_flags.get("tokenizer"), spec.speculative_config.get("model")):
        if repository:
            yield str(repository)


def list_argument_repositories(arguments: Sequence[str]) -> Iterator[str]:
    """The same, of the engine's command line."""
    yield arguments[1] if len(arguments) > 1 else ""
    for flag, word in pairwise(arguments):
        if flag in _TOKENIZERS:
            yield word
        elif flag == _SPECULATION:
            yield from _read_draft(word)


def _read_draft(word: str) -> Iterator[str]:
    try:
        config = json.loads(word)
    except ValueError:
        return
    if isinstance(config, dict) and config.get("model"):
        yield str(config["model"])
