"""Reads switches with their events, engines with their logs, and whether a switcher is running."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import OuterRef, Subquery

from gateway.errors import InvalidRequest, NotFound
from gateway.near_names import suggest_names
from gateway.shortening import shorten
from gateway.wording import fill_in
from modelops.domain.switching.states import SwitchState
from modelops.models import DEFAULT_SLOT, Engine, EngineLog, Slot, Switch, SwitcherPresence, SwitchEvent
from modelops.switching.switchers import find_present

SHOWN_EVENTS = 200
CANCELLED_CODE = "cancelled"
"""Root cause of a switch that was cancelled too late to end at once."""
COMPARED_ENGINES = 500
"""Of those started last, with a name that does not exist."""
LOG_PAGE = 200
"""Pieces of log read at a time."""


@dataclass(frozen=True)
class SwitcherView:
    """The switcher that holds the lease, or else the one that reported last."""

    is_alive: bool
    host: str = ""
    seen_at: datetime | None = None


def list_switches(
    *,
    limit: int,
    after: uuid.UUID | None = None,
    profile: str = "",
    state: str = "",
    slot: str = "",
) -> tuple[list[Switch], bool]:
    """A page of switches, newest first, and whether more follow.

    `after` is the last id of the page before. Raises InvalidRequest when it names no switch.
    """
    rows = Switch.objects.select_related("slot")
    if profile:
        rows = rows.filter(to_profile=profile)
    if state:
        rows = rows.filter(state=state)
    if slot:
        rows = rows.filter(slot__slug=slot)
    if after:
        if not Switch.objects.filter(pk=after).exists():
            raise InvalidRequest("The cursor names no switch.", param="after")
        rows = rows.filter(pk__lt=after)
    # Ids grow with time, and unlike times they compare in SQL as they do here.
    page = list(rows.order_by("-pk")[: limit + 1])
    return page[:limit], len(page) > limit


def get_switch(switch_id: uuid.UUID) -> Switch:
    """With its slot and engines. Raises NotFound."""
    related = ("slot", "old_engine", "new_engine", "restored_engine")
    switch = Switch.objects.select_related(*related).filter(pk=switch_id).first()
    if switch is None:
        raise NotFound("There is no such switch.")
    return switch


def list_live_switches(slot: Slot) -> list[Switch]:
    """The switch that is being carried out, if there is one, then the one that waits its turn."""
    return group_live_switches([slot]).get(slot.pk, [])


def group_live_switches(slots: Iterable[Slot]) -> dict[uuid.UUID, list[Switch]]:
    """The same for each slot that has any, by the slot's id, in one query."""
    found: dict[uuid.UUID, list[Switch]] = {}
    live = Switch.objects.live().filter(slot__in=_list_ids(slots))
    for switch in sorted(live, key=lambda each: each.state == SwitchState.REQUESTED):
        found.setdefault(switch.slot_id, []).append(switch)
    return found


def _list_ids(slots: Iterable[Slot]) -> list[uuid.UUID]:
    """Of those that have a row."""
    return [slot.pk for slot in slots if not slot._state.adding]


def list_events(switch: Switch) -> list[SwitchEvent]:
    """What happened to it, oldest first; steps of its progress are left out."""
    notable = switch.events.exclude(kind=SwitchEvent.Kind.PROGRESS).order_by("-id")[:SHOWN_EVENTS]
    return list(reversed(notable))


def count_state_seconds(switch: Switch, now: datetime) -> dict[str, float]:
    """Seconds spent in each state, in the order of the states, the running one counted up to `now`."""
    seconds = {state: float(spent) for state, spent in switch.state_seconds.items()}
    if switch.is_live:
        running_s = max((now - switch.state_since).total_seconds(), 0.0)
        seconds[switch.state] = seconds.get(switch.state, 0.0) + running_s
    return {str(state): round(seconds[state], 1) for state in SwitchState if state in seconds}


def find_switcher(slot: Slot | None = None) -> SwitcherView:
    """The switcher that would carry a switch of the slot out; `is_alive` is False where none has reported
    lately."""
    switcher = find_present(slot)
    if switcher is not None:
        return SwitcherView(True, switcher.host, switcher.seen_at)
    rows = SwitcherPresence.objects.order_by("-seen_at")
    last = (rows.filter(box=slot.box) if slot is not None and slot.box else rows).first()
    return SwitcherView(False, last.host, last.seen_at) if last else SwitcherView(False)


def list_engines(*, limit: int, slot: str = "") -> list[Engine]:
    """The engines started last, newest first."""
    rows = Engine.objects.select_related("slot")
    return list((rows.filter(slot__slug=slot) if slot else rows)[:limit])


def get_engine(name: str) -> Engine:
    """Raises NotFound, naming engines that were perhaps meant."""
    engine = Engine.objects.filter(name=name).first()
    if engine is None:
        problem = fill_in("There is no engine {name}.", name=repr(shorten(name)))
        names = Engine.objects.values_list("name", flat=True)[:COMPARED_ENGINES]
        raise NotFound(suggest_names(problem, name, names), param="engine")
    return engine


def find_newest_engine(slot: str = DEFAULT_SLOT) -> Engine | None:
    return Engine.objects.filter(slot__slug=slot).first()


def read_log_tail(engine: Engine, lines: int) -> tuple[list[str], int]:
    """The last lines that are kept of its log, and the id of the last piece read (0: none)."""
    found: list[str] = []
    last_id = 0
    for piece in engine.log.order_by("-id").iterator(chunk_size=LOG_PAGE):
        last_id = last_id or piece.pk
        if len(found) >= lines:
            break
        found[:0] = piece.text.splitlines()
    return found[max(len(found) - lines, 0) :], last_id


def find_last_piece_id(slot: str) -> int:
    """The id of the piece of log written last in the slot; 0 for none."""
    newest = EngineLog.objects.filter(engine__slot__slug=slot).order_by("-pk").first()
    return newest.pk if newest else 0


def read_log_after(last_id: int, *, engine: Engine | None, slot: str) -> Iterator[EngineLog]:
    """Pieces of log written after the one of this id: of one engine, or of every engine of the slot."""
    rows = EngineLog.objects.select_related("engine").filter(pk__gt=last_id).order_by("pk")
    rows = rows.filter(engine=engine) if engine else rows.filter(engine__slot__slug=slot)
    return rows.iterator(chunk_size=LOG_PAGE)


def find_last_errors(slots: Iterable[Slot]) -> dict[uuid.UUID, Switch]:
    """By the slot's id, its last switch that came to an end of its own, where it failed. One query."""
    ended = Switch.objects.filter(slot=OuterRef("pk"), ended_at__isnull=False)
    # As `ended_by_request` has it.
    ended = ended.exclude(state=SwitchState.CANCELLED)
    ended = ended.exclude(state=SwitchState.ROLLED_BACK, root_cause__code=CANCELLED_CODE)
    newest = ended.order_by("-ended_at", "-id").values("pk")[:1]
    last = Slot.objects.filter(pk__in=_list_ids(slots)).values(last=Subquery(newest))
    failed = Switch.objects.filter(pk__in=last).exclude(state=SwitchState.ACTIVE)
    return {switch.slot_id: switch for switch in failed}


def ended_by_request(switch: Switch) -> bool:
    """Whether it was cancelled, and what served before serves: then nothing failed."""
    is_undone = switch.state == SwitchState.ROLLED_BACK
    return switch.state == SwitchState.CANCELLED or (
        is_undone and (switch.root_cause or {}).get("code") == CANCELLED_CODE
    )


def list_slots() -> Iterable[Slot]:
    """Those in use, by name."""
    return Slot.objects.in_use().select_related("active_engine", "last_good_engine").order_by("slug")
