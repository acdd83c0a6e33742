"""The admin's page of a switch: how it goes, how it went, and what can be done. It only reads and asks."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_POST

from gateway.errors import GatewayError, NotFound
from gateway.wording import fill_in, say
from modelops.admin.duration_bars import make_duration_table
from modelops.admin.outcomes import describe_state, make_badge, write_headline
from modelops.admin.remedy_buttons import make_buttons
from modelops.admin.switch_pages import find_actor
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.fit.report_text import VERDICT_WORDS
from modelops.models import ModelProfile, Switch
from modelops.switching.cancelling import cancel_switch
from modelops.switching.contexts import find_reduced_context, keep_context
from modelops.switching.draining import find_draining
from modelops.switching.engine_log_search import iterate_log, read_excerpt
from modelops.switching.plan_text import KIND_WORDS
from modelops.switching.remedies import offer_remedies_for
from modelops.switching.selectors import (
    ended_by_request,
    find_switcher,
    get_switch,
    list_events,
    list_live_switches,
)
from modelops.switching.status import count_remaining_s, describe_detail

PARTS = ("state", "now", "buttons", "steps", "cause", "events", "log")
"""Apart where one changes more often: a button that is looked at stays, and not every percent is read out.
No template of theirs may have a name of Django's: an actions.html would replace that of the list."""


def show_switch(request: HttpRequest, site: AdminSite, switch_id: str) -> HttpResponse:
    """How it goes while it is under way; afterwards its history."""
    switch, term = _get(switch_id), _read_term(request)
    context = {
        **site.each_context(request),
        "title": say(fill_in("Switch: {switch}", switch=str(switch)), gettext),
        "opts": Switch._meta,
        "switch": switch,
        "reason": say(switch.get_text("reason"), gettext),
        "plan": switch.plan,
        **describe_stored_plan(switch.plan or {}),
        "parts": render_parts(switch, timezone.now(), term),
        "term": term,
    }
    return TemplateResponse(request, "admin/modelops/switch/page.html", context)


def describe_stored_plan(plan: Mapping[str, Any]) -> dict[str, str]:
    """The codes of a plan in words; empty for those that only an older version knew."""
    kinds = {str(kind): words for kind, words in KIND_WORDS.items()}
    verdicts = {str(verdict): words for verdict, words in VERDICT_WORDS.items()}
    return {
        "plan_kind": say(kinds.get(str(plan.get("kind")), ""), gettext),
        "plan_verdict": say(verdicts.get(str((plan.get("fit") or {}).get("verdict")), ""), gettext),
    }


def send_progress(request: HttpRequest, switch_id: uuid.UUID) -> HttpResponse:
    """What of the page changes, for the page's script."""
    switch = _get(switch_id)
    content = {
        "is_final": not switch.is_live,
        "can_cancel": _can_cancel(switch),
        "parts": render_parts(switch, timezone.now(), _read_term(request)),
    }
    return JsonResponse(content, headers={"Cache-Control": "no-store"})


@require_POST
def cancel(request: HttpRequest, switch_id: uuid.UUID) -> HttpResponse:
    try:
        cancel_switch(switch_id, find_actor(request))
    except NotFound as exc:
        raise Http404 from exc
    except GatewayError as exc:
        messages.error(request, say(exc.wording, gettext))
    return _go_back(switch_id)


@require_POST
def keep(request: HttpRequest, switch_id: uuid.UUID) -> HttpResponse:
    """Has the profile ask for the context that the switch came up with."""
    try:
        profile = keep_context(switch_id, find_actor(request))
    except NotFound as exc:
        raise Http404 from exc
    except GatewayError as exc:
        messages.error(request, say(exc.wording, gettext))
    else:
        kept = fill_in(
            "The profile {profile} asks for {length} tokens of context from now on.",
            profile=profile.slug,
            length=f"{profile.max_model_len:,}",
        )
        messages.success(request, say(kept, gettext))
    return _go_back(switch_id)


@require_GET
def download_log(request: HttpRequest, switch_id: uuid.UUID) -> HttpResponse | StreamingHttpResponse:
    """All that is kept of the log, as a file."""
    switch = _get(switch_id)
    name = f"switch-{switch.to_profile}-{switch.created_at:%Y%m%d-%H%M%S}.log"
    return StreamingHttpResponse(
        _encode(iterate_log(switch)),
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _encode(pieces: Iterator[str]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece.encode()


def _get(switch_id: str | uuid.UUID) -> Switch:
    try:
        return get_switch(uuid.UUID(str(switch_id)))
    except (NotFound, ValueError) as exc:
        raise Http404("There is no such switch.") from exc


def _go_back(switch_id: uuid.UUID) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:modelops_switch_change", args=[switch_id]))


def _read_term(request: HttpRequest) -> str:
    return request.GET.get("q", "").replace("\0", "")


def _can_cancel(switch: Switch) -> bool:
    return switch.is_live and switch.cancel_requested_at is None


def render_parts(switch: Switch, now: datetime, term: str = "") -> dict[str, str]:
    """The parts of the page that change, as HTML by their names."""
    context = {
        **describe_outcome(switch),
        **describe_causes(switch),
        "detail": say(describe_detail(switch, find_draining(switch), now), gettext),
        "rival": _find_rival(switch),
        "remaining_s": count_remaining_s(switch, now),
        "durations": make_duration_table(switch, now),
        "is_switcher_alive": find_switcher(switch.slot).is_alive,
        "events": [(event, describe_state(event.state)) for event in list_events(switch)],
        "excerpt": read_excerpt(switch, term),
    }
    return {name: render_to_string(f"admin/modelops/switch/{name}.html", context) for name in PARTS}


def describe_outcome(switch: Switch) -> dict[str, Any]:
    """Badge and headline, and whether its context can be kept."""
    profile = ModelProfile.objects.filter(slug=switch.to_profile).first()
    reduced = find_reduced_context(switch, profile)
    return {
        "switch": switch,
        "profile": profile,
        "badge": make_badge(switch, is_reduced=reduced is not None),
        "headline": write_headline(switch, reduced),
        "reduced": reduced,
        "kept_length": f"{reduced.max_model_len:,}" if reduced else "",
        "can_cancel": _can_cancel(switch),
    }


def describe_causes(switch: Switch) -> dict[str, Any]:
    """Why it failed, and why going back did, with what helps; nothing of a switch that somebody ended."""
    if ended_by_request(switch):
        return {"can_switch_again": True}
    found: dict[str, Any] = {}
    for name, values, slug in (
        ("cause", switch.root_cause, switch.to_profile),
        ("restore_cause", switch.restore_cause, switch.from_profile),
    ):
        if values:
            cause = RootCause.parse(values)
            buttons = [] if switch.is_live else make_buttons(offer_remedies_for(cause, slug, switch.slot))
            found[name] = {**translate_cause(cause), "buttons": buttons}
    return found


def translate_cause(cause: RootCause) -> dict[str, str]:
    return {
        "code": cause.code,
        "message": say(cause.message, gettext),
        "advice": say(cause.advice, gettext),
        "evidence": cause.evidence,
    }


def _find_rival(switch: Switch) -> Switch | None:
    """The other live switch of its slot: what it waits for, or what waits for it."""
    others = [each for each in list_live_switches(switch.slot) if each != switch] if switch.is_live else []
    return others[0] if others else None
