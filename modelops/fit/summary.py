"""How a profile fits, in short: the same for the API, the command line and the admin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from modelops.domain.fit.gpu_needs import Need
from modelops.domain.fit.measured_run import COMPARED_SIZES
from modelops.domain.fit.report import serialise_learnt
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.last_starts import LastStart
from modelops.fit.profile_fits import ProfileFit


def summarise_fit(fit: ProfileFit) -> dict[str, Any]:
    """Plain JSON values. `context` is what it would serve, or the most it could where it does not start."""
    report = fit.report
    return {
        "verdict": str(report.verdict),
        "limit": str(report.limit),
        "why": fit.assessment.why,
        "tensor_parallel_size": fit.assessment.settings.tensor_parallel_size,
        "context": fit.assessment.context,
        "max_model_len_that_fits": report.max_model_len_that_fits,
        "max_concurrency": report.max_concurrency,
        "kv_cache_tokens": report.kv_cache_tokens,
        "reasons": list(report.reasons),
        "calibrated_from": report.calibrated_from,
        "learnt": [serialise_learnt(each) for each in report.learnt],
        "last_start": None if fit.last_start is None else summarise_start(fit.last_start),
    }


def reduce_fit(fit: Mapping[str, Any], *, for_admin: bool) -> dict[str, Any]:
    """A summary without the names of engines that were measured, which only admins see."""
    if not fit:
        return {}
    # A plan that an earlier version stored says nothing of what was learnt.
    fit = {"learnt": [], **fit}
    if for_admin:
        return fit
    fit["learnt"] = [{**each, "engines": None} for each in fit["learnt"]]
    start = fit.get("last_start")
    if start is None:
        return fit
    source = start["started_at"] if fit["calibrated_from"] else None
    return {**fit, "calibrated_from": source, "last_start": {**start, "engine": None}}


def summarise_start(start: LastStart) -> dict[str, Any]:
    """What was expected of the last good start, and what it measured."""
    return {
        "engine": start.engine,
        "started_at": start.started_at.isoformat(),
        "estimate": {name: start.estimate.get(name) for name in COMPARED_SIZES},
        "actual": {name: start.actual.get(name) for name in COMPARED_SIZES},
    }


def summarise_choice(choice: GpuChoice) -> dict[str, Any]:
    """The hardware that verdicts are about. `gpus` is null while nothing is known of it."""
    return {
        "source": choice.source,
        "description": choice.description,
        "taken_at": choice.taken_at.isoformat() if choice.taken_at else None,
        "gpus": None if choice.gpus is None else choice.serialise(),
        "problems": [{"message": each.message, "advice": each.advice} for each in choice.problems],
    }


def serialise_hardware(choice: GpuChoice, *, for_admin: bool) -> dict[str, Any]:
    """Problems name processes of the machine, so only admins see them."""
    content = summarise_choice(choice)
    return content if for_admin else content | {"problems": []}


def summarise_need(need: Need) -> dict[str, Any]:
    return {
        "card": need.card,
        "count": need.count,
        "total_bytes": need.total_bytes,
        "tensor_parallel_size": need.settings.tensor_parallel_size,
        "pipeline_parallel_size": need.settings.pipeline_parallel_size,
        "verdict": str(need.report.verdict),
        "context": need.report.max_model_len,
        "has_full_context": need.has_full_context,
        "max_concurrency": need.report.max_concurrency,
    }
