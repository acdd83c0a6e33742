"""A pasted command line, as a shell would split it: quotes, continued lines, variables in front."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import replace

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.docker_run import PROGRAMS, is_docker_run, read_docker_run
from modelops.domain.profiles.imports.engine_call import (
    EngineCommand,
    LeftOut,
    explain_prefix,
    find_script,
    find_server,
    split_assignments,
)

MOST_CHARACTERS = 64_000
DEEPEST = 3
"""`bash -c` within `bash -c`."""

_CONTINUED = re.compile(r"\\[ \t]*\r?\n")
_PROMPT = re.compile(r"^[ \t]*\$[ \t]+", re.MULTILINE)
_SEPARATORS = ";&|<>\n"
_NO_START = fill_in("does not start an engine")
_LOG = fill_in("the gateway keeps the engine's log")
_OPEN_QUOTE = fill_in("has a quotation mark that is not closed")
_OPEN_LINE = fill_in("ends with a backslash")
_WANTED = fill_in(
    "holds no start of vLLM: neither `vllm serve MODEL …`, nor `python -m vllm.entrypoints.openai.api_server "
    "--model MODEL …`, nor `docker run … vllm/vllm-openai …`"
)


def read_command(text: str, *, depth: int = 0) -> EngineCommand:
    """The one start of an engine in the text. Raises FieldError where there is none, or more than one."""
    calls = read_commands(text, depth=depth)
    if len(calls) > 1:
        raise FieldError("command", fill_in("starts {count} engines: paste one of them", count=len(calls)))
    return calls[0]


def read_commands(text: str, *, depth: int = 0) -> list[EngineCommand]:
    """Every start of an engine in the text. Raises FieldError where there is none."""
    if len(text) > MOST_CHARACTERS:
        raise FieldError("command", fill_in("is longer than {count} characters", count=MOST_CHARACTERS))
    environment: dict[str, str] = {}
    calls: list[EngineCommand] = []
    left_out: list[LeftOut] = []
    for words in _split_commands(text, left_out):
        variables, rest = split_assignments(words)
        if not rest:
            environment |= variables
            continue
        call = _read_simple(rest, depth)
        if call is None:
            left_out.append(LeftOut(rest[0], _NO_START))  # the rest may hold a token
        else:
            calls.append(replace(call, environment={**variables, **call.environment}))
    if not calls:
        raise FieldError("command", _WANTED)
    return [
        replace(call, environment={**environment, **call.environment}, left_out=(*left_out, *call.left_out))
        for call in calls
    ]


def _read_simple(words: tuple[str, ...], depth: int) -> EngineCommand | None:
    """One command without separators; None where it starts no engine."""
    if "docker" in words[:3] or any(program in words[:3] for program in PROGRAMS):
        begin = next(index for index, word in enumerate(words) if word in PROGRAMS)
        if is_docker_run(words[begin:]):
            call = read_docker_run(words[begin:])
            return replace(call, left_out=(*explain_prefix(words[:begin]), *call.left_out))
    script = find_script(words)
    if script is not None and depth < DEEPEST:
        return read_command(script, depth=depth + 1)
    found = find_server(words)
    if found is None:
        return None
    variables, before = split_assignments(found.before)
    return EngineCommand(found.arguments, variables, left_out=tuple(explain_prefix(before)))


def _split_commands(text: str, left_out: list[LeftOut]) -> Iterator[tuple[str, ...]]:
    """The words of each command. Redirections and comments are taken out."""
    words: list[str] = []
    tokens = iter(split_words(text))
    for token in tokens:
        if not token.strip(_SEPARATORS) and token:
            if "<" in token or ">" in token:
                if words and words[-1] in ("1", "2"):
                    words.pop()
                left_out.append(LeftOut(f"{token} {next(tokens, '')}", _LOG))
            elif words:
                yield tuple(words)
                words = []
        elif token.startswith("#"):
            while (skipped := next(tokens, "\n")) and "\n" not in skipped:
                pass
            if words:
                yield tuple(words)
                words = []
        else:
            words.append(token)
    if words:
        yield tuple(words)


def split_words(text: str) -> list[str]:
    """Words and separators, by a shell's rules for quotes. Raises FieldError for an open quote."""
    joined = _CONTINUED.sub(" ", _PROMPT.sub("", text))
    lexer = shlex.shlex(joined, posix=True, punctuation_chars=_SEPARATORS)
    lexer.whitespace = " \t\r"
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError as exc:
        reason = _OPEN_QUOTE if "quotation" in str(exc) else _OPEN_LINE
        raise FieldError("command", reason) from exc
