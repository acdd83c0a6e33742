"""Windows of the week: written by operators, on record in the audit trail, and what they lead to."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from gateway.audit import Requester, record_change
from gateway.database.changes import announce_change
from gateway.errors import InvalidRequest, NotFound
from gateway.wording import fill_in, join_texts
from modelops.domain.switching.schedule import Edge, find_next_edge, list_edges
from modelops.models import ScheduleWindow, Slot, SlotSchedule

SHOWN_DAYS = 7


@dataclass(frozen=True)
class NextChange:
    """What a slot's schedule changes next. `window` is empty where the usual profile comes back."""

    at: datetime
    profile: str
    window: str


def list_windows(*, slot: str = "") -> list[ScheduleWindow]:
    """By slot, then by their times."""
    rows = ScheduleWindow.objects.select_related("slot")
    return list(rows.filter(slot__slug=slot) if slot else rows)


def get_window(window_id: uuid.UUID) -> ScheduleWindow:
    """Raises NotFound."""
    window = ScheduleWindow.objects.select_related("slot").filter(pk=window_id).first()
    if window is None:
        raise NotFound("There is no such window.")
    return window


def find_window(name: str, slot: str) -> ScheduleWindow:
    """Raises NotFound, naming the windows that there are."""
    rows = ScheduleWindow.objects.filter(slot__slug=slot)
    window = rows.filter(name=name).first()
    if window is None:
        known = ", ".join(rows.values_list("name", flat=True)) or fill_in("none")
        raise NotFound(
            fill_in(
                "The slot {slot} has no window {name}; it has: {known}.",
                slot=repr(slot),
                name=repr(name),
                known=known,
            ),
            param="name",
        )
    return window


def save_window(
    window: ScheduleWindow, *, request: Requester, changes: Mapping[str, object] | None = None
) -> ScheduleWindow:
    """Add or change a window. Raises InvalidRequest, also for one that overlaps another."""
    what = "created" if window._state.adding else "changed"
    with transaction.atomic():
        # Two at once must not overlap each other.
        Slot.objects.select_for_update(of=("self",)).filter(pk=window.slot_id).first()
        check_window(window)
        window.save()
        record_change(
            f"schedulewindow_{what}", window, request=request, changes=changes or {"name": window.name}
        )
        announce_change()
    return window


def check_window(window: ScheduleWindow) -> None:
    """Raises InvalidRequest with all that is wrong with it."""
    try:
        window.full_clean()
    except ValidationError as exc:
        raise to_invalid_request(exc) from exc


def to_invalid_request(error: ValidationError) -> InvalidRequest:
    """With every reason, and the field of the first."""
    by_field: Mapping[str, Sequence[Any]] = error.message_dict
    reasons = [
        fill_in("{field}: {reason}", field=name, reason=str(reason))
        for name, found in by_field.items()
        for reason in found
    ]
    return InvalidRequest(join_texts(" ", reasons), param=next(iter(by_field), None))


def remove_window(window: ScheduleWindow, *, request: Requester) -> None:
    """Where it goes on, its slot goes back to its usual profile."""
    with transaction.atomic():
        record_change("schedulewindow_deleted", window, request=request, changes={"name": window.name})
        window.delete()
        announce_change()


def list_coming(
    slot: Slot, now: datetime, *, days: int = SHOWN_DAYS, also: ScheduleWindow | None = None
) -> list[NextChange]:
    """What the slot's windows change in the next days, if nobody else changes anything.

    `also` is a window that is not stored yet.
    """
    rows = list(ScheduleWindow.objects.filter(slot=slot, is_active=True))
    rows += [also] if also is not None else []
    return foresee(rows, find_usual_profiles([slot])[slot.pk], now, days=days)


def foresee(
    windows: Iterable[ScheduleWindow], usual: str, now: datetime, *, days: int = SHOWN_DAYS
) -> list[NextChange]:
    """The same of these windows of one slot, which serves `usual` outside of them."""
    edges = list_edges([each.to_window() for each in windows], now, now + timedelta(days=days))
    return [_describe(edge, usual) for edge in edges]


def find_usual_profiles(slots: Iterable[Slot]) -> dict[uuid.UUID, str]:
    """By slot, what it serves outside of its windows. One query."""
    usual = {each.pk: each.desired_profile for each in slots}
    for row in SlotSchedule.objects.filter(slot__in=usual):
        is_inside = row.done_key and not row.done_key.startswith("@")
        usual[row.slot_id] = row.usual_profile if is_inside else usual[row.slot_id]
    return usual


def find_next_changes(slots: Sequence[Slot], now: datetime) -> dict[uuid.UUID, NextChange]:
    """By slot, for those with windows. One query where none has any, two else."""
    by_slot: dict[uuid.UUID, list[ScheduleWindow]] = {}
    for row in ScheduleWindow.objects.filter(is_active=True):
        by_slot.setdefault(row.slot_id, []).append(row)
    usual = find_usual_profiles(slots) if by_slot else {}
    found: dict[uuid.UUID, NextChange] = {}
    for slot in slots:
        edge = find_next_edge([row.to_window() for row in by_slot.get(slot.pk, [])], now)
        if edge is not None:
            found[slot.pk] = _describe(edge, usual[slot.pk])
    return found


def find_problems(slots: Iterable[Slot]) -> dict[uuid.UUID, str]:
    """By slot, why its schedule could not be followed."""
    rows = SlotSchedule.objects.filter(slot__in=[each.pk for each in slots], problem__isnull=False)
    return {row.slot_id: row.problem["message"] for row in rows if row.problem}


def _describe(edge: Edge, usual: str) -> NextChange:
    if edge.window is None:
        return NextChange(edge.at, usual, "")
    return NextChange(edge.at, edge.window.profile, edge.window.name)
