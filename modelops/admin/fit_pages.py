"""Pages of the admin that are no list and no form: fit reports, and the hardware."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from gateway.wording import fill_text
from modelops.admin.memory_bars import MemoryBar, draw_bar
from modelops.domain.fit.card_memory import split_memory
from modelops.domain.fit.report import Aim, LimitingTerm, Suggestion
from modelops.domain.fit.report_text import (
    AIM_WORDS,
    VERDICT_WORDS,
    Line,
    StartLine,
    describe_aim,
    describe_lack_of_suggestions,
    describe_outcome,
    format_bytes,
    join_assumptions,
    list_capacity_lines,
    list_memory_lines,
    list_start_lines,
)
from modelops.fit.gpu_choice import GpuChoice
from modelops.fit.profile_fits import ProfileFit, check_profiles, find_gpu_choice
from modelops.hardware import GpuProcess, GpuReading, HardwareReading, explain_left_out, list_problems
from modelops.hardware.sampling import SampledReading, load_history
from modelops.models import HardwareProfile, ModelProfile
from modelops.profiles.changing import to_settings

LIMIT_WORDS: Mapping[LimitingTerm, Promise] = {
    LimitingTerm.WEIGHTS: gettext_lazy("weights"),
    LimitingTerm.ACTIVATION: gettext_lazy("activation"),
    LimitingTerm.KV_CACHE: gettext_lazy("KV cache"),
    LimitingTerm.CUDA_GRAPHS: gettext_lazy("CUDA graphs"),
    LimitingTerm.FREE_MEMORY: gettext_lazy("free memory"),
    LimitingTerm.GPU_COUNT: gettext_lazy("number of GPUs"),
    LimitingTerm.PARALLEL_SIZE: gettext_lazy("tensor parallel size"),
    LimitingTerm.COMPUTE_CAPABILITY: gettext_lazy("compute capability"),
    LimitingTerm.QUANTIZATION: gettext_lazy("quantization"),
    LimitingTerm.CONTEXT: gettext_lazy("the model's positions"),
    LimitingTerm.LAYOUT: gettext_lazy("what is known of the model"),
    LimitingTerm.INPUT: gettext_lazy("what is known of the GPUs"),
}
"""What decides, where something does."""

MOST_REPORTS = 20
"""Each takes a search of up to some 100 ms."""

SHOWN_SAMPLES = 240
SPARK_WIDTH, SPARK_HEIGHT = 160, 36


@dataclass(frozen=True)
class GpuHistory:
    """One card and the points of its two curves, in the coordinates of an SVG."""

    gpu: GpuReading
    memory_points: str
    load_points: str

    @property
    def used(self) -> str:
        return format_gib(self.gpu.used_bytes)

    @property
    def free(self) -> str:
        return format_gib(self.gpu.free_bytes)

    @property
    def total(self) -> str:
        return format_gib(self.gpu.total_bytes)


@dataclass(frozen=True)
class ProcessView:
    """A process on a card, as the template shows it."""

    gpu_index: int
    process: GpuProcess

    @property
    def used(self) -> str:
        return format_gib(self.process.used_bytes)


@dataclass(frozen=True)
class SuggestionView:
    """A suggestion in words. `query` leads to its preview, `changes` are JSON for a form that is filled in.

    Both are empty where settings alone do not do it: `needs_cards`, or else another repository.
    """

    text: str
    outcome: str
    gains: Sequence[str] = ()
    costs: Sequence[str] = ()
    query: str = ""
    changes: str = ""
    needs_cards: bool = False


@dataclass(frozen=True)
class FitView:
    """A fit as the template shows it."""

    fit: ProfileFit
    bars: Sequence[MemoryBar]
    memory: Sequence[Line]
    capacity: Sequence[Line]
    suggestions: Sequence[SuggestionView]
    start: Sequence[StartLine]
    """What was expected of the last good start, and what it measured."""
    limit: Promise | str = ""
    """What decides; empty where nothing does."""
    assumed: str = ""
    aim: str = ""
    """The heading of the suggestions."""
    lack: str = ""
    """Why there are none, where somebody might have expected some."""

    @property
    def further_reasons(self) -> Sequence[str]:
        """What the sentence beside the verdict does not say already."""
        return [each for each in self.fit.report.reasons if each != self.fit.assessment.why]


def view_fit(fit: ProfileFit, choice: GpuChoice, hardware: str = "") -> FitView:
    report = fit.report
    return FitView(
        fit,
        draw_bars(fit, choice),
        list_memory_lines(report),
        list_capacity_lines(report),
        [_view_suggestion(each, fit, hardware) for each in report.suggestions],
        list_start_lines(fit.last_start.estimate, fit.last_start.actual) if fit.last_start else (),
        LIMIT_WORDS.get(report.limit, ""),
        join_assumptions(report),
        describe_aim(report),
        describe_lack_of_suggestions(report),
    )


def draw_bars(fit: ProfileFit, choice: GpuChoice) -> list[MemoryBar]:
    """The cards that the profile would use; none where nothing is known of its memory."""
    gpus = choice.select(fit.spec.gpu_selection) if fit.spec else None
    return [draw_bar(card, number) for number, card in enumerate(split_memory(fit.report, gpus))]


def _view_suggestion(suggestion: Suggestion, fit: ProfileFit, hardware: str) -> SuggestionView:
    view = SuggestionView(suggestion.text, describe_outcome(suggestion), suggestion.gains, suggestion.costs)
    if not suggestion.is_of_settings:
        return replace(view, needs_cards=suggestion.quantization is None)
    changes = dict(suggestion.changes)
    flags = fit.spec.extra_flags if fit.spec else {}
    filled = json.dumps(to_settings(flags, changes))
    return replace(view, query=write_change(changes, hardware), changes=filled)


def write_change(changes: Mapping[str, Any], hardware: str = "") -> str:
    """A change of settings as a query: each value as JSON under its setting's name."""
    values = {name: json.dumps(value) for name, value in changes.items()}
    return urlencode(values | ({"hardware": hardware} if hardware else {}))


def render_fit(fit: ProfileFit, choice: GpuChoice, hardware: str = "") -> str:
    """The report as HTML. `hardware` is the hardware profile that was asked about, else empty."""
    context = {"view": view_fit(fit, choice, hardware), "verdict": describe_fit(fit), "hardware": choice}
    return render_to_string("admin/modelops/fit_report.html", context)


def describe_fit(fit: ProfileFit) -> SafeString:
    """The verdict as a coloured word, with the reason to hover over."""
    verdict = fit.report.verdict
    return format_html(
        '<span class="fit-verdict fit-{}" title="{}">{}</span>',
        str(verdict),
        fit.assessment.why,
        VERDICT_WORDS[verdict],
    )


def link_fit(profile: ModelProfile, hardware: str = "") -> str:
    """The address of the profile's report, on that hardware profile or the GPUs that are there."""
    query = {"profile": profile.slug} | ({"hardware": hardware} if hardware else {})
    return f"{reverse('admin:modelops_modelprofile_fit')}?{urlencode(query)}"


def show_fit(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """Full reports of the profiles named by `?profile=…`, on `?hardware=…` or the GPUs that are there."""
    slugs = request.GET.getlist("profile")[:MOST_REPORTS]
    hardware, aim = request.GET.get("hardware", ""), read_aim(request.GET.get("aim", ""))
    choice = find_gpu_choice(hardware)
    profiles = ModelProfile.objects.filter(slug__in=[slug for slug in slugs if "\0" not in slug])
    fits = check_profiles(profiles, choice, aim=aim)
    context = {
        **site.each_context(request),
        "title": gettext("GPU fit"),
        "opts": ModelProfile._meta,
        "hardware": choice,
        "hardware_profiles": HardwareProfile.objects.all(),
        "chosen_hardware": hardware,
        "aims": [(str(each), fill_text(words, {})) for each, words in AIM_WORDS.items()],
        "chosen_aim": str(aim),
        "reports": [(fit.profile, render_fit(fit, choice, hardware)) for fit in fits],
        "slugs": slugs,
    }
    return TemplateResponse(request, "admin/modelops/fit_page.html", context)


def read_aim(value: str) -> Aim:
    """What nobody offers is as if nothing was chosen."""
    return Aim(value) if value in list(Aim) else Aim.AS_ASKED


def show_hardware(request: HttpRequest, site: AdminSite) -> HttpResponse:
    """The newest reading, its problems with advice, and the curves of the last readings of that machine."""
    newest = load_history(limit=1)
    context: dict[str, Any] = {**site.each_context(request), "title": gettext("Hardware"), "sample": None}
    if newest:
        sample = newest[0]
        history = load_history(host=sample.host, limit=SHOWN_SAMPLES)
        context |= {
            "sample": sample,
            "reading": sample.reading,
            "problems": list_problems(sample.reading),
            "left_out": explain_left_out(sample.reading),
            "histories": [_draw(gpu, history) for gpu in sample.reading.gpus],
            "processes": [
                ProcessView(gpu.index, process)
                for gpu in sample.reading.gpus
                for process in gpu.processes or ()
            ],
            "sample_count": len(history),
            "history_since": history[0].reading.taken_at if history else None,
        }
    return TemplateResponse(request, "admin/modelops/hardware_page.html", context)


def _draw(gpu: GpuReading, history: Sequence[SampledReading]) -> GpuHistory:
    seen = [_find_gpu(sample.reading, gpu) for sample in history]
    total = gpu.total_bytes or max((each.used_bytes or 0 for each in seen if each), default=0)
    return GpuHistory(
        gpu,
        draw_curve([each.used_bytes if each else None for each in seen], total),
        draw_curve([each.utilization_percent if each else None for each in seen], 100),
    )


def _find_gpu(reading: HardwareReading, gpu: GpuReading) -> GpuReading | None:
    """The same card in another reading: by UUID, for numbers change when a card is lost."""
    key = gpu.uuid or gpu.index
    return next((each for each in reading.gpus if key in (each.uuid, each.index)), None)


def draw_curve(values: Iterable[float | None], highest: float) -> str:
    """The `points` of an SVG polyline, oldest at the left; readings without a value are left out."""
    listed = list(values)
    if highest <= 0 or len(listed) < 2:
        return ""
    step = SPARK_WIDTH / (len(listed) - 1)
    return " ".join(
        f"{index * step:.1f},{SPARK_HEIGHT * (1 - min(value / highest, 1)):.1f}"
        for index, value in enumerate(listed)
        if value is not None
    )


def format_gib(count: int | None) -> str:
    return "–" if count is None else format_bytes(count)
