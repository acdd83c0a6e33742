"""Find out why an engine did not start, or ended, from its log and the way it ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.wording import FilledText, Translatable, fill_in, fill_text, join_texts
from modelops.domain.engine_log.cause_texts import ADVICE, DEFAULT_FACTS, MESSAGES
from modelops.domain.engine_log.causes import SHORTEST_RETRY_TOKENS, Cause, RootCause
from modelops.domain.engine_log.failure_signatures import (
    ASKED_LENGTH,
    EXCEPTION,
    FATAL,
    GENERAL,
    SPECIFIC,
    SUGGESTED_LENGTH,
    WRAPPERS,
    FailureSignature,
)
from modelops.domain.engine_log.lines import LogLine, read_line
from modelops.domain.engine_log.startup_log import COMPLETE, Phase

__all__ = ["SHORTEST_RETRY_TOKENS", "Cause", "RootCause", "classify_failure", "describe_cause"]

_SOURCE = re.compile(r'^(?: {4}|\t|  File ")|^\s*$')
"""A line of somebody's program in a traceback: its words are not the error's."""
_EVIDENCE_CHARS = 600
_ERROR_CHARS = 300
_BLOCK_TOKENS = 16
PHASE_WORDS: Mapping[Phase, Translatable] = {
    Phase.BOOT: "its first steps",
    Phase.DISTRIBUTED: "the connection of its GPUs",
    Phase.DOWNLOAD: "the search for the weights",
    Phase.WEIGHTS: "the loading of the weights",
    Phase.COMPILE: "compilation",
    Phase.PROFILE: "the measuring of its memory",
    Phase.KV_CACHE: "the making of the KV cache",
    Phase.GRAPHS: "the capture of CUDA graphs",
    Phase.DONE: "the start of its server",
}


_NOT_CARRIED_OUT = fill_in("The switch was not carried out.")
_DEFAULTS = {name: fill_text(text, {}) for name, text in DEFAULT_FACTS.items()}


def describe_cause(
    code: str, *, evidence: str = "", retry_max_model_len: int | None = None, **facts: Any
) -> RootCause:
    """The cause in words. A code that is none of `Cause` is a runtime error.

    Facts fill in what its sentences leave open, as far as they are known (`cause_texts.DEFAULT_FACTS` has
    all names); others are ignored.
    """
    known = Cause(code) if code in set(Cause) else Cause.RUNTIME_ERROR
    given = {name: _write(value) for name, value in facts.items() if value not in (None, "", [], ())}
    if given.get("phase") in set(Phase):
        given["phase"] = fill_text(PHASE_WORDS[Phase(given["phase"])], {})
    if "seconds" in given:
        given["seconds"] = fill_in("{count} s", count=given["seconds"])
    texts = {**_DEFAULTS, **given}
    return RootCause(
        code=str(known),
        message=_fill(MESSAGES[known], texts),
        advice=_fill(ADVICE.get(known, ""), texts),
        evidence=evidence,
        retry_max_model_len=retry_max_model_len,
    )


def describe_for_everybody(cause: RootCause) -> RootCause:
    """The cause without what was found on the machine: paths, images, processes, settings, log lines."""
    known = cause.code in set(Cause)
    message = _fill(MESSAGES[Cause(cause.code)], _DEFAULTS) if known else _NOT_CARRIED_OUT
    return RootCause(cause.code, message)


def _fill(text: Translatable, facts: Mapping[str, str]) -> str:
    """The text with those of the facts that it names."""
    named = {name: value for name, value in facts.items() if f"{{{name}}}" in text}
    return fill_text(text, named) if text else ""


def classify_failure(
    lines: Iterable[str], *, exit_code: int | None, was_oom_killed: bool = False, phase: Phase = Phase.BOOT
) -> RootCause:
    """Why the engine failed in `phase`; `StartupLog.failure_lines()` are the lines to give.

    The first cause in the log is the real one: others follow from it, and wrappers name none. Once it served,
    errors of single requests do not count, only what belongs to its end. `exit_code` is
    None while the engine still runs, negative or above 128 where a signal ended it.
    """
    read = [read_line(line) for line in lines]
    has_served = any(line.level and line.text.startswith(COMPLETE) for line in read)
    errors = _list_errors(read, has_served=has_served)
    if was_oom_killed:
        return describe_cause(Cause.OUT_OF_HOST_MEMORY, phase=phase)
    for signatures in (SPECIFIC, GENERAL):
        if found := _find_first(errors, signatures):
            return _explain(found[0], found[1], phase)
    error = _find_exception(errors)
    if has_served:
        return describe_cause(Cause.ENGINE_DIED, evidence=error, error=_shorten(error), exit_code=exit_code)
    if error:
        return describe_cause(Cause.ENGINE_ERROR, evidence=error, error=_shorten(error), phase=phase)
    return _explain_end(exit_code, phase)


def _list_errors(lines: Iterable[LogLine], *, has_served: bool) -> list[str]:
    """The lines that may tell of a failure, without their prefixes."""
    errors = [line.text for line in lines if not line.is_harmless and not _SOURCE.match(line.text)]
    if not has_served:
        return errors
    first = next((index for index, text in enumerate(errors) if FATAL.search(text)), len(errors))
    return errors[first:]


def _find_first(errors: Sequence[str], signatures: Sequence[FailureSignature]) -> tuple[Cause, str] | None:
    for text in errors:
        for signature in signatures:
            if signature.pattern.search(text):
                return signature.cause, text
    return None


def _find_exception(errors: Sequence[str]) -> str:
    """The last line of the first traceback that is no wrapper's; empty without one."""
    plain = (text.strip() for text in errors if not WRAPPERS.search(text))
    return next((text[:_EVIDENCE_CHARS] for text in plain if EXCEPTION.match(text)), "")


def _explain(cause: Cause, text: str, phase: Phase) -> RootCause:
    facts: dict[str, Any] = {"error": _shorten(text), "phase": phase}
    retry = None
    if cause is Cause.CONTEXT_TOO_LONG:
        retry = _find_shorter_context(text)
        asked = ASKED_LENGTH.search(text)
        facts["length"] = fill_in("of {tokens} tokens", tokens=f"{int(asked[1]):,}") if asked else None
    return describe_cause(cause, evidence=text.strip()[:_EVIDENCE_CHARS], retry_max_model_len=retry, **facts)


def _find_shorter_context(text: str) -> int | None:
    """The engine's own suggestion, in whole blocks; None for none, or for less than one block."""
    suggested = SUGGESTED_LENGTH.search(text)
    if suggested is None:
        return None
    length = int(suggested[1] or suggested[2]) // _BLOCK_TOKENS * _BLOCK_TOKENS
    return length or None


def _explain_end(exit_code: int | None, phase: Phase) -> RootCause:
    if exit_code is None:
        return describe_cause(Cause.STALLED, phase=phase)
    number = -exit_code if exit_code < 0 else exit_code - 128
    if number > 0 and number in {int(each) for each in signal.Signals}:
        return describe_cause(
            Cause.KILLED, signal=fill_in("signal {name}", name=signal.Signals(number).name), phase=phase
        )
    return describe_cause(Cause.EXITED, phase=phase, exit_code=exit_code)


def _shorten(text: str) -> str:
    """An error's first sentence, without the exception's name and what pydantic and argparse wrap it in."""
    text = text.strip()
    if matched := EXCEPTION.match(text):
        text = matched["text"] or matched["name"]
    text = re.sub(r"^(?:Value error, |[\w. -]+: error: )", "", text)
    text = re.sub(r" \[type=\w+, input_value=.*$", "", text)
    return text.partition(". ")[0][:_ERROR_CHARS].rstrip(". ")


def _write(value: Any) -> str:
    if isinstance(value, FilledText):
        return value
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 10 else f"{value:g}"
    if isinstance(value, list | tuple):
        return join_texts(", ", [_write(item) for item in value])
    return str(value)
