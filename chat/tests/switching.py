"""A gateway with two engines, and a fake switcher: it writes the rows that web processes act on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environ
import httpx
from django.conf import settings
from django.db import connections, transaction
from pytest_django import DjangoDbBlocker

from chat.tests.streams import StreamedReply, read_stream
from gateway.tests.live import GatewayProcess, wait_until
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, Gate, Slot, Switch, SwitchEvent, WebPresence
from modelops.tests.serving.slot_rows import flip, make_engine, make_slot, make_switch, move_gate, move_switch

PLAIN = {"content": "x", "max_tokens": 3}


@contextmanager
def database_of(gateway: GatewayProcess, blocker: DjangoDbBlocker) -> Iterator[None]:
    """While inside, this thread's rows are the gateway's."""
    url = gateway.environment.get("DATABASE_URL", "")
    file = Path(gateway.environment["GATEWAY_DATA_DIR"]) / "gateway.sqlite3"
    place = environ.Env.db_url_config(url) if url else {"NAME": str(file)}
    connections.settings["gateway"] = {**settings.DATABASES["default"], **place}
    theirs, own = connections.create_connection("gateway"), connections["default"]
    connections["default"] = theirs
    try:
        with blocker.unblock():
            yield
    finally:
        theirs.close()
        connections["default"] = own
        del connections.settings["gateway"]


@dataclass
class FakeSwitcher:
    """Writes the rows that the switcher would, for one gateway, its slot, and the engines A and B."""

    gateway: GatewayProcess
    slot: Slot
    a: Engine
    b: Engine

    @classmethod
    def open(cls, gateway: GatewayProcess, url_a: str, url_b: str, **values: Any) -> FakeSwitcher:
        """A on the slot, its gate open, and the gateway aware of it."""
        SwitchEvent.objects.all().delete()
        Slot.objects.update(active_engine=None, last_good_engine=None)
        for model in (Switch, Engine, Slot):
            model.objects.all().delete()
        slot = make_slot(desired_profile="a")
        switcher = cls(
            gateway, slot, make_engine(slot, "a", url_a, **values), make_engine(slot, "b", url_b, **values)
        )
        flip(slot, switcher.a)
        switcher.await_epoch()
        return switcher

    def begin(self, state: SwitchState = SwitchState.DRAINING, **values: Any) -> Switch:
        """A switch from A to B, with the gate closed and every web process aware of it."""
        switch = make_switch(self.slot, self.a, "b", state, new_engine=self.b, **values)
        move_gate(self.slot, Gate.CLOSED)
        self.await_epoch()
        return switch

    def stop_old(self, switch: Switch) -> None:
        move_switch(switch, SwitchState.LOADING)
        move_gate(self.slot, Gate.CLOSED, active_engine=None)

    def finish(self, switch: Switch, *, on: Engine, state: SwitchState = SwitchState.ACTIVE) -> None:
        """In one transaction, as the switcher does: in between, waiting requests would be refused."""
        with transaction.atomic():
            move_switch(switch, state)
            flip(self.slot, on)

    @property
    def counts(self) -> dict[str, int]:
        """What the gateway says of the slot: epoch, open, waiting."""
        rows = WebPresence.objects.order_by("-seen_at").values_list("slots", flat=True)
        counts: dict[str, int] = (rows[0] if rows else {}).get(str(self.slot.pk), {})
        return counts

    def await_epoch(self) -> None:
        self.slot.refresh_from_db()
        wait_until(lambda: self.counts.get("epoch") == self.slot.epoch, what="the epoch to be acted on")

    def await_counts(self, **wanted: int) -> None:
        wait_until(lambda: {**self.counts, **wanted} == self.counts, what=f"{wanted} in {self.counts}")


@dataclass
class Callers:
    """Requests that are answered while the test goes on."""

    client: httpx.Client
    pool: ThreadPoolExecutor

    def ask(self, model: str = "current", **body: Any) -> Future[httpx.Response]:
        return self.pool.submit(self.client.post, "/api/chat", json={**PLAIN, "model": model, **body})

    def stream(self, path: str = "/api/chat", model: str = "current", **body: Any) -> Future[StreamedReply]:
        asked: dict[str, Any] = {"content": "x"} if path == "/api/chat" else MESSAGES
        return self.pool.submit(read_stream, self.client, path, {**asked, "model": model, **body})


MESSAGES: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}]}


@contextmanager
def callers_of(gateway: GatewayProcess, username: str = "demo") -> Iterator[Callers]:
    with gateway.client(username) as client, ThreadPoolExecutor(24) as pool:
        yield Callers(client, pool)


def running_on(engine_url: str) -> float:
    """The engine's own count of running requests."""
    for line in httpx.get(f"{engine_url}/metrics").text.splitlines():
        if line.startswith("vllm:num_requests_running"):
            return float(line.rpartition(" ")[2])
    raise AssertionError("the engine has no such metric")


def stored_answer(client: httpx.Client, conversation_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(f"/api/conversations/{conversation_id}").json()["messages"][-1]
    return answer
