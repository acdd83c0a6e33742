"""The events of switches, read from the database; what only admins may see is kept apart."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max

from gateway.database.texts import choose_text
from modelops.models import SwitchEvent
from modelops.models.switches import MESSAGE

PAGE_SIZE = 500

PUBLIC_DATA = frozenset(
    {
        *("profile", "phase", "percent", "ready_expected_at", "eta_s", "retry_at", "code"),
        *("done_bytes", "total_bytes"),
    }
)
"""What everybody may know of an event's data. The rest (who asked, a log line as evidence) is for admins,
as is the message, which may name people; the REST views draw the same line."""


@dataclass(frozen=True, kw_only=True)
class SwitchEventView:
    id: int
    switch: uuid.UUID
    slot: str
    at: datetime
    kind: str
    state: str
    message: str
    data: Mapping[str, Any]

    def serialise(self, *, for_admin: bool) -> dict[str, Any]:
        data = {name: value for name, value in self.data.items() if for_admin or name in PUBLIC_DATA}
        return {
            "switch": self.switch,
            "slot": self.slot,
            "at": self.at,
            "kind": self.kind,
            "state": self.state,
            "message": self.message if for_admin else None,
            "data": data,
        }


@dataclass(frozen=True)
class EventQuery:
    """Events with an id above `after`, of one switch or of all."""

    after: int
    switch: uuid.UUID | None = None


def read_switch_events(items: Sequence[EventQuery]) -> list[list[SwitchEventView]]:
    """For each query the next events, oldest first, PAGE_SIZE at most. A handler of `gateway.batching`."""
    return [_read(item) for item in items]


def _read(query: EventQuery) -> list[SwitchEventView]:
    rows = SwitchEvent.objects.filter(id__gt=query.after).order_by("id")
    if query.switch is not None:
        rows = rows.filter(switch=query.switch)
    columns = ("id", "switch_id", "switch__slot__slug", "at", "kind", "state", "message", "data")
    return [
        SwitchEventView(
            id=row_id,
            switch=switch,
            slot=slot,
            at=at,
            kind=kind,
            state=state,
            message=choose_text(message, data.pop(MESSAGE, None)),
            data=data,
        )
        for row_id, switch, slot, at, kind, state, message, data in rows.values_list(*columns)[:PAGE_SIZE]
    ]


def find_newest_events(items: Sequence[None]) -> list[int]:
    """The id of the newest event, 0 where there is none. A handler of `gateway.batching`."""
    newest = SwitchEvent.objects.aggregate(newest=Max("id"))["newest"] or 0
    return [newest] * len(items)
