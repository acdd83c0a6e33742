"""One subscriber's stream of model events: what it is told first, what twice never, and until when."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import Role
from accounts.principals import Principal
from chat import model_event_stream
from chat.model_event_stream import ModelEventStream
from chat.model_events import ModelEvents, Subscription
from gateway.errors import (
    DependencyUnavailable,
    GatewayError,
    PermissionDenied,
    RateLimitExceeded,
    TokenRevoked,
)
from modelops.switching.events import PAGE_SIZE, EventQuery, SwitchEventView
from modelops.switching.status import StatusQuery

ADMIN = Principal(user_id=uuid.uuid4(), username="root", role=Role.ADMIN)
USER = replace(ADMIN, role=Role.USER)


def an_event(number: int) -> SwitchEventView:
    return SwitchEventView(
        id=number,
        switch=uuid.UUID(int=1),
        slot="default",
        at=timezone.now(),
        kind="note",
        state="loading",
        message="a secret of the house",
        data={},
    )


class ScriptedEvents(ModelEvents):
    """Events that are on record already; `live` ones come in when the record is first read, then the end."""

    def __init__(self, recorded: Sequence[int] = (), live: Sequence[int] = ()) -> None:
        self.recorded = recorded
        self.live = live
        self.asked: list[str] = []
        self.subscription = Subscription()

    @asynccontextmanager
    async def subscribed(self) -> AsyncIterator[tuple[Subscription, int]]:
        self.asked.append("subscribed")
        self._come_in()
        yield self.subscription, max(self.recorded, default=0)

    def _come_in(self) -> None:
        for number in self.live:
            self.subscription.put(an_event(number))
        self.subscription.end()

    async def knows(self, event_id: int) -> bool:
        return event_id <= max(self.recorded, default=0)

    async def read(self, query: EventQuery) -> list[SwitchEventView]:
        everything = sorted({*self.recorded, *self.live})
        return [an_event(number) for number in everything if number > query.after][:PAGE_SIZE]

    async def describe(self, query: StatusQuery) -> dict[str, Any]:
        self.asked.append("described")
        return {"state": "ready"}


async def listen(
    events: ModelEvents,
    *,
    after: int | None = None,
    authenticate: Callable[[], Awaitable[Principal]] | None = None,
    is_admin: bool = False,
) -> list[tuple[str, int, dict[str, Any]]]:
    """Name, id and data of everything that a subscriber gets."""
    sent = b""

    async def send(message: Any) -> None:
        nonlocal sent
        sent += message.get("body", b"")

    async def receive() -> Any:
        await asyncio.Event().wait()

    async def stay() -> Principal:
        return USER

    stream = ModelEventStream(
        events=events,
        see_external=lambda: None,
        authenticate=authenticate or stay,
        is_admin=is_admin,
        after=after,
        switch=None,
        ping_s=5,
        send_s=5,
    )
    await stream({"type": "http", "gateway.log": {}}, receive, send)
    return [parse(block) for block in sent.decode().split("\n\n") if block and not block.startswith(":")]


def parse(block: str) -> tuple[str, int, dict[str, Any]]:
    fields = dict(line.split(": ", 1) for line in block.splitlines())
    return fields["event"], int(fields["id"]), json.loads(fields["data"])


async def test_state_is_read_after_subscribing_so_that_nothing_happens_in_between() -> None:
    events = ScriptedEvents([4], live=[5])

    told = await listen(events)

    assert events.asked == ["subscribed", "described"]
    assert [(name, number) for name, number, _data in told] == [("status", 4), ("note", 5)]


async def test_id_from_the_future_gets_the_present_state() -> None:
    told = await listen(ScriptedEvents([4], live=[5]), after=900)

    assert [(name, number) for name, number, _data in told] == [("status", 4), ("note", 5)]


async def test_what_happens_during_a_long_replay_is_sent_once() -> None:
    recorded = list(range(1, PAGE_SIZE))
    # Both come in meanwhile: one is the last of the first page, the other is on the second.
    live = [PAGE_SIZE, PAGE_SIZE + 1]

    told = await listen(ScriptedEvents(recorded, live), after=0)

    assert [number for _name, number, _data in told] == [*recorded, *live]


@pytest.mark.parametrize("refusal", [TokenRevoked(), PermissionDenied(), RateLimitExceeded()])
async def test_who_may_not_listen_any_more_hears_nothing_more(
    monkeypatch: pytest.MonkeyPatch, refusal: GatewayError
) -> None:
    monkeypatch.setattr(model_event_stream, "CHECK_PERIOD_S", -1.0)

    async def refuse() -> Principal:
        raise refusal

    told = await listen(ScriptedEvents([4], live=[5]), authenticate=refuse)

    assert [name for name, _number, _data in told] == ["status"]


async def test_while_nobody_can_tell_who_may_listen_the_stream_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(model_event_stream, "CHECK_PERIOD_S", -1.0)

    async def fail() -> Principal:
        raise DependencyUnavailable("The database does not answer.")

    told = await listen(ScriptedEvents([4], live=[5]), authenticate=fail)

    assert [name for name, _number, _data in told] == ["status", "note"]


async def test_who_is_no_admin_any_more_sees_no_messages_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_event_stream, "CHECK_PERIOD_S", -1.0)
    principals = iter([ADMIN, USER, USER])

    async def authenticate() -> Principal:
        return next(principals)

    told = await listen(ScriptedEvents(live=[1, 2]), authenticate=authenticate, is_admin=True)

    assert [data.get("message") for name, _n, data in told if name == "note"] == [
        "a secret of the house",
        None,
    ]
