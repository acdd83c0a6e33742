"""A plan in words, for a terminal and for a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.utils.translation import gettext

from gateway.columns import measure_columns, pad
from gateway.wording import FilledText, Translatable, end_sentence, fill_in, fill_text, join_texts, say
from modelops.domain.fit.report import Verdict
from modelops.domain.fit.report_text import VERDICT_WORDS, count_tokens
from modelops.domain.switching.plan import Plan, PlanKind
from modelops.domain.switching.plan_problems import PlanProblem

NOT_SET = "–"
KIND_WORDS: Mapping[PlanKind, Translatable] = {
    PlanKind.NOTHING: "nothing to do: it is active already",
    PlanKind.START: "stop the engine that serves, then start a new one",
    PlanKind.RENAME: "keep the engine, change only names and limits",
    PlanKind.WAKE: "wake its engine, put the other one to sleep",
    PlanKind.ROLL: "replace the replicas one by one, while the others answer",
}
TAKEN_OVER: Mapping[str, Translatable] = {
    "drain_timeout_s": "drain timeout",
    "drain_policy": "drain policy",
}
"""What a later request changes of the switch that it joins."""
LABEL_COLUMNS = 10


def describe_plan(plan: Plan) -> Iterator[str]:
    """Line by line: what would be done, with what, what changes, and what speaks against it.

    In the active language, as a terminal shows it.
    """
    yield f"{plan.from_profile or gettext('nothing')} → {plan.profile}: {say(describe_kind(plan), gettext)}"
    facts = [(say(label, gettext), say(value, gettext)) for label, value in _list_facts(plan)]
    width = max(LABEL_COLUMNS, *(measure_columns(label) for label, _value in facts))
    for label, value in facts:
        yield f"  {pad(label, width)} {value}"
    if plan.diff:
        yield f"  {gettext('changes')}"
        for change in plan.diff:
            yield f"    {change['setting']}: {write_value(change['from'])} → {write_value(change['to'])}"
    for text in _list_objections(plan):
        yield f"  {say(text, gettext)}"
    yield gettext("The plan is accepted.") if plan.is_accepted else gettext("The plan is refused.")


def _list_objections(plan: Plan) -> Iterator[str]:
    for warning in plan.warnings:
        yield fill_in("warning: {warning}", warning=warning)
    for problem in plan.overridden:
        yield fill_in("forced, in spite of: {problem}", problem=describe_problem(problem))
    for problem in plan.refusals:
        described = describe_problem(problem)
        if problem.may_be_forced:
            yield fill_in("refused (can be forced): {problem}", problem=described)
        else:
            yield fill_in("refused: {problem}", problem=described)


def describe_kind(plan: Plan) -> FilledText:
    if plan.starts_beside:
        return fill_in("start a new engine beside the one that serves, and end that once the new one answers")
    is_first = plan.kind is PlanKind.START and not plan.from_profile
    return fill_in("start an engine") if is_first else fill_text(KIND_WORDS[plan.kind], {})


def describe_joining(taken_over: Sequence[str]) -> str:
    """What a request has changed of the switch that it joined."""
    under_way = fill_in("A switch to it is under way already; this is its progress.")
    if not taken_over:
        return under_way
    first, *others = [fill_text(TAKEN_OVER[name], {}) for name in taken_over]
    names = fill_in("{first} and {second}", first=first, second=others[0]) if others else first
    return join_texts(" ", [under_way, fill_in("It goes by the {names} asked for now.", names=names)])


def describe_problem(problem: PlanProblem) -> str:
    """In whole sentences."""
    return join_texts(" ", [end_sentence(text) for text in (problem.message, problem.advice) if text])


def _list_facts(plan: Plan) -> Iterator[tuple[str, str]]:
    yield fill_in("runtime"), plan.runtime
    if plan.image:
        yield fill_in("image"), plan.image
    if plan.gpu_uuids:
        yield "GPUs", f"{len(plan.gpu_uuids)} × {plan.gpu_name}"
    elif plan.gpu_name:
        yield (
            fill_in("cards"),
            fill_in("of the type {accelerator}, on the cluster", accelerator=plan.gpu_name),
        )
    yield fill_in("command"), shlex.join(plan.arguments)
    if plan.environment:
        yield fill_in("environment"), " ".join(plan.environment)
    yield fill_in("fit"), join_texts(": ", [VERDICT_WORDS[Verdict(plan.fit["verdict"])], plan.fit["why"]])
    if plan.max_model_len:
        yield fill_in("context"), count_tokens(plan.max_model_len)
    for fetch in plan.fetches:
        yield fill_in("fetches"), fetch
    if plan.typical_seconds is not None:
        yield (
            fill_in("takes"),
            fill_in("about {seconds} s, as its last starts", seconds=f"{plan.typical_seconds:g}"),
        )


def write_value(value: Any) -> str:
    """A setting's value as people write it; – for none."""
    if value is None or value in ("", [], {}, ()):
        return NOT_SET
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={write_value(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(write_value, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
