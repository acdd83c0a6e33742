"""A plan in words, for a terminal and for a page."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from modelops.domain.switching.plan import Plan, PlanKind
from modelops.domain.switching.plan_problems import PlanProblem

NOT_SET = "–"
KIND_WORDS = {
    PlanKind.NOTHING: "nothing to do: it is active already",
    PlanKind.START: "stop the engine that serves, then start a new one",
    PlanKind.RENAME: "keep the engine, change only names and limits",
    PlanKind.WAKE: "wake its engine, put the other one to sleep",
}


def describe_plan(plan: Plan) -> Iterator[str]:
    """Line by line: what would be done, with what, what changes, and what speaks against it."""
    yield f"{plan.from_profile or 'nothing'} → {plan.profile}: {describe_kind(plan)}"
    for label, value in _list_facts(plan):
        yield f"  {label:<10} {value}"
    if plan.diff:
        yield "  changes"
        for change in plan.diff:
            yield f"    {change['setting']}: {write_value(change['from'])} → {write_value(change['to'])}"
    for warning in plan.warnings:
        yield f"  warning: {warning}"
    for problem in plan.overridden:
        yield f"  forced, in spite of: {describe_problem(problem)}"
    for problem in plan.refusals:
        how = " (can be forced)" if problem.may_be_forced else ""
        yield f"  refused{how}: {describe_problem(problem)}"
    yield "The plan is accepted." if plan.is_accepted else "The plan is refused."


def describe_kind(plan: Plan) -> str:
    is_first = plan.kind is PlanKind.START and not plan.from_profile
    return "start an engine" if is_first else KIND_WORDS[plan.kind]


def describe_joining(taken_over: Sequence[str]) -> str:
    """What a request has changed of the switch that it joined."""
    under_way = "A switch to it is under way already; this is its progress."
    names = " and ".join(name.removesuffix("_s").replace("_", " ") for name in taken_over)
    return f"{under_way} It goes by the {names} asked for now." if names else under_way


def describe_problem(problem: PlanProblem) -> str:
    """In whole sentences."""
    return " ".join(_end_sentence(text) for text in (problem.message, problem.advice) if text)


def _end_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}" + ("" if text.endswith((".", "!", "?")) else ".")


def _list_facts(plan: Plan) -> Iterator[tuple[str, str]]:
    yield "runtime", plan.runtime
    if plan.image:
        yield "image", plan.image
    if plan.gpu_uuids:
        yield "GPUs", f"{len(plan.gpu_uuids)} × {plan.gpu_name}"
    yield "command", shlex.join(plan.arguments)
    if plan.environment:
        yield "environment", " ".join(plan.environment)
    yield "fit", f"{plan.fit['verdict'].replace('_', ' ')}: {plan.fit['why']}"
    if plan.max_model_len:
        yield "context", f"{plan.max_model_len:,} tokens"
    for fetch in plan.fetches:
        yield "fetches", fetch
    if plan.typical_seconds is not None:
        yield "takes", f"about {plan.typical_seconds:g} s, as its last starts"


def write_value(value: Any) -> str:
    """A setting's value as people write it; – for none."""
    if value is None or value in ("", [], {}, ()):
        return NOT_SET
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={write_value(each)}" for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(write_value, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
