"""What became of a switch, as its badge and its headline say it, and as the list is filtered by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib import admin
from django.db.models import BigIntegerField, Q, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy, gettext_noop

from gateway.wording import fill_in, say
from modelops.domain.switching.states import LIVE_STATES, SwitchState
from modelops.models import Switch
from modelops.switching.contexts import ReducedContext
from modelops.switching.selectors import CANCELLED_CODE, ended_by_request

STATE_WORDS: Mapping[str, str] = {
    SwitchState.REQUESTED: gettext_noop("requested"),
    SwitchState.PLANNED: gettext_noop("planned"),
    SwitchState.DRAINING: gettext_noop("draining"),
    SwitchState.STOPPING: gettext_noop("stopping"),
    SwitchState.CLEARING: gettext_noop("clearing"),
    SwitchState.STARTING: gettext_noop("starting"),
    SwitchState.LOADING: gettext_noop("loading"),
    SwitchState.VERIFYING: gettext_noop("verifying"),
    SwitchState.ACTIVE: gettext_noop("done"),
    SwitchState.REJECTED: gettext_noop("rejected"),
    SwitchState.CANCELLED: gettext_noop("cancelled"),
    SwitchState.ROLLING_BACK: gettext_noop("rolling back"),
    SwitchState.ROLLED_BACK: gettext_noop("rolled back"),
    SwitchState.DEGRADED: gettext_noop("degraded"),
}


class SwitchOutcome(StrEnum):
    LIVE = "live"
    ACTIVE = "active"
    REDUCED = "reduced"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"


OUTCOME_WORDS: Mapping[SwitchOutcome, Any] = {
    SwitchOutcome.LIVE: gettext_lazy("under way"),
    SwitchOutcome.ACTIVE: gettext_lazy("done"),
    SwitchOutcome.REDUCED: gettext_lazy("done, shorter context"),
    SwitchOutcome.FAILED: gettext_lazy("failed"),
    SwitchOutcome.REFUSED: gettext_lazy("refused"),
    SwitchOutcome.CANCELLED: gettext_lazy("cancelled"),
}
BADGES: Mapping[SwitchOutcome, str] = {
    SwitchOutcome.LIVE: "is-quiet",
    SwitchOutcome.ACTIVE: "is-good",
    SwitchOutcome.REDUCED: "is-warn",
    SwitchOutcome.FAILED: "is-bad",
    SwitchOutcome.REFUSED: "is-warn",
    SwitchOutcome.CANCELLED: "is-quiet",
}
_UNDONE = Q(state=SwitchState.ROLLED_BACK, root_cause__code=CANCELLED_CODE)
"""As `ended_by_request` has it."""
# As text and then a number: PostgreSQL compares no number with a value of JSON.
_PLANNED_LENGTH = Cast(KT("plan__max_model_len"), BigIntegerField())
_SHORTER = Q(state=SwitchState.ACTIVE, max_model_len__lt=_PLANNED_LENGTH)
FILTERS: Mapping[SwitchOutcome, Q] = {
    SwitchOutcome.LIVE: Q(state__in=LIVE_STATES),
    SwitchOutcome.ACTIVE: Q(state=SwitchState.ACTIVE),
    SwitchOutcome.REDUCED: _SHORTER,
    SwitchOutcome.FAILED: Q(state__in=[SwitchState.ROLLED_BACK, SwitchState.DEGRADED]) & ~_UNDONE,
    SwitchOutcome.REFUSED: Q(state=SwitchState.REJECTED),
    SwitchOutcome.CANCELLED: Q(state=SwitchState.CANCELLED) | _UNDONE,
}


@dataclass(frozen=True)
class OutcomeBadge:
    """`css` is a class of desk.css; `text` says the same in words."""

    css: str
    text: str


def find_outcome(switch: Switch, *, is_reduced: bool) -> SwitchOutcome:
    if switch.is_live:
        return SwitchOutcome.LIVE
    if ended_by_request(switch):
        return SwitchOutcome.CANCELLED
    if switch.state == SwitchState.ACTIVE:
        return SwitchOutcome.REDUCED if is_reduced else SwitchOutcome.ACTIVE
    return SwitchOutcome.REFUSED if switch.state == SwitchState.REJECTED else SwitchOutcome.FAILED


def describe_state(state: str) -> str:
    return say(STATE_WORDS[state], gettext)


def make_badge(switch: Switch, *, is_reduced: bool) -> OutcomeBadge:
    outcome = find_outcome(switch, is_reduced=is_reduced)
    text = describe_state(switch.state) if outcome is SwitchOutcome.LIVE else str(OUTCOME_WORDS[outcome])
    return OutcomeBadge(BADGES[outcome], text)


def has_shorter_context(switch: Switch) -> bool:
    """Whether it came up with less than its plan; as the filter, without a look at the profile."""
    planned = (switch.plan or {}).get("max_model_len")
    is_shorter = planned is not None and switch.max_model_len is not None and switch.max_model_len < planned
    return switch.state == SwitchState.ACTIVE and is_shorter


def write_headline(switch: Switch, reduced: ReducedContext | None) -> str:
    """What became of it, in a sentence; empty while it is under way."""
    if switch.is_live:
        return ""
    if reduced is not None:
        return _write_reduced(switch, reduced)
    if ended_by_request(switch):
        return say(_explain_cancelled(switch), gettext)
    texts = {
        SwitchState.ACTIVE: fill_in("{profile} is active.", profile=switch.to_profile),
        SwitchState.REJECTED: fill_in(
            "The switch to {profile} was refused; what served before was not touched.",
            profile=switch.to_profile,
        ),
        SwitchState.ROLLED_BACK: fill_in(
            "The switch to {profile} failed; what served before serves again.", profile=switch.to_profile
        ),
        SwitchState.DEGRADED: fill_in(
            "The switch to {profile} failed, and nothing serves now.", profile=switch.to_profile
        ),
    }
    return say(texts[SwitchState(switch.state)], gettext)


def _write_reduced(switch: Switch, reduced: ReducedContext) -> str:
    if reduced.wanted is None:
        text = fill_in(
            "{profile} is active with a shorter context: {length} tokens.",
            profile=switch.to_profile,
            length=f"{reduced.max_model_len:,}",
        )
    else:
        text = fill_in(
            "{profile} is active with a shorter context: {length} tokens instead of {wanted}.",
            profile=switch.to_profile,
            length=f"{reduced.max_model_len:,}",
            wanted=f"{reduced.wanted:,}",
        )
    return say(text, gettext)


def _explain_cancelled(switch: Switch) -> str:
    if switch.state == SwitchState.ROLLED_BACK:
        return fill_in(
            "{name} cancelled the switch to {profile}; what served before serves again.",
            name=switch.cancelled_by,
            profile=switch.to_profile,
        )
    if switch.superseded_by_id is not None or not switch.cancelled_by:
        return fill_in("The switch to {profile} was cancelled.", profile=switch.to_profile)
    return fill_in(
        "{name} cancelled the switch to {profile}; what served before was not touched.",
        name=switch.cancelled_by,
        profile=switch.to_profile,
    )


class OutcomeFilter(admin.SimpleListFilter):
    """By what became of a switch: one that was cancelled is not among those that failed."""

    title = gettext_lazy("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(outcome.value, words) for outcome, words in OUTCOME_WORDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(FILTERS[SwitchOutcome(value)]) if value in set(SwitchOutcome) else queryset
