"""What slots serve now, read from the database into frozen values.

`read_board` is a handler of `gateway.batching`: it blocks, and runs on a thread.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from gateway.conf import get_config
from modelops.domain.runtimes import find_health_path
from modelops.domain.switching.readiness import expect_ready_at
from modelops.domain.switching.resting import RestState
from modelops.domain.switching.states import SwitchState
from modelops.models import DEFAULT_SLOT, Engine, EngineState, Gate, ModelProfile, Slot, Switch
from modelops.serving.engine_keys import find_engine_key
from modelops.serving.model_tasks import ModelTask, find_engine_tasks
from modelops.serving.start_history import Restart, find_restart, find_wake_seconds


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in the units of COST_CURRENCY."""

    prompt: float = 0.0
    completion: float = 0.0

    def of(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The cost in millionths of a unit."""
        return self.prompt * prompt_tokens + self.completion * completion_tokens


FREE = Price()


@dataclass(frozen=True, kw_only=True)
class ServingEngine:
    """An engine that requests go to."""

    id: uuid.UUID
    profile: str
    model_name: str
    names: tuple[str, ...]
    base_url: str
    api_key: str = field(default="", repr=False)
    cards: tuple[Mapping[str, Any], ...] = ()
    max_model_len: int | None = None
    max_concurrent_requests: int | None = None
    max_output_tokens: int | None = None
    price: Price = FREE
    since: datetime | None = None
    tasks: tuple[ModelTask, ...] | None = None
    """None where they are not known."""
    adapters: frozenset[str] = frozenset()
    """Those of `names` that are LoRA adapters, which the engine knows by these names."""


@dataclass(frozen=True, kw_only=True)
class LiveSwitch:
    """A switch that has not ended. `to_names` and `from_names` are what clients call the models."""

    id: uuid.UUID
    state: SwitchState
    to_profile: str
    to_names: tuple[str, ...]
    from_profile: str = ""
    from_names: tuple[str, ...] = ()
    phase: str = ""
    detail: str = ""
    percent: int | None = None
    ready_expected_at: datetime | None = None
    """As the switcher wrote it down; ask `expect_ready_at`."""
    typical_seconds: float | None = None
    state_since: datetime | None = None
    engine_id: uuid.UUID | None = None
    engine_url: str = ""
    """Of the new engine, as soon as it has an address."""
    health_path: str = ""

    def expect_ready_at(self, now: datetime) -> datetime | None:
        """When it is expected to serve; None where there is no estimate."""
        return expect_ready_at(
            self.state,
            self.state_since or now,
            told=self.ready_expected_at,
            typical_s=self.typical_seconds,
            now=now,
        )

    @property
    def is_rolling_back(self) -> bool:
        return self.state is SwitchState.ROLLING_BACK

    @property
    def expected_names(self) -> tuple[str, ...]:
        """The names that will be served once it ends, by its present direction."""
        return self.from_names if self.is_rolling_back else self.to_names


@dataclass(frozen=True, kw_only=True)
class SlotView:
    """A slot as requests see it. `switches` are the live ones: what acts, then what waits for its turn."""

    id: uuid.UUID
    slug: str
    epoch: int
    gate: Gate
    desired_profile: str = ""
    engine: ServingEngine | None = None
    followers: tuple[ServingEngine, ...] = ()
    """The further replicas of the engine, which take requests as it does."""
    switches: tuple[LiveSwitch, ...] = ()
    problem: Mapping[str, Any] | None = None
    restart: Restart | None = None
    """Of an engine that served and ended, until it is under way; None for one that failed to start."""
    is_retiring: bool = False
    """It is about to end: once its gate has closed, nothing waits for it."""
    retry_at: datetime | None = None
    """When what should serve is tried again, while nothing does."""
    rest: RestState = RestState.AWAKE
    resting: ServingEngine | None = None
    """The engine that sleeps or was stopped because nobody used it, which the next request wakes."""
    is_wake_asked: bool = False
    wake_s: float | None = None
    """How long waking it usually takes."""

    @property
    def needs_wake(self) -> bool:
        """Whether it rests, or is about to, and nobody has asked for it yet."""
        return self.rest is not RestState.AWAKE and not self.is_wake_asked

    @property
    def engines(self) -> tuple[ServingEngine, ...]:
        """Everything that requests may go to while the gate is open, the leader first."""
        return () if self.engine is None else (self.engine, *self.followers)

    @property
    def switch(self) -> LiveSwitch | None:
        return self.switches[0] if self.switches else None

    @property
    def is_open(self) -> bool:
        return self.gate is Gate.OPEN

    @property
    def is_cut(self) -> bool:
        """Whether running answers are to end now."""
        return self.gate is Gate.CUT

    @property
    def is_settled(self) -> bool:
        """False while its gate may move any moment."""
        is_still = self.is_open or (self.rest is RestState.RESTING and not self.is_wake_asked)
        return is_still and not self.switches


@dataclass(frozen=True)
class BoardSnapshot:
    """Every slot, and what profiles are called. Equal snapshots mean that nothing changed for requests."""

    slots: tuple[SlotView, ...] = ()
    profiles: Mapping[str, str] = field(default_factory=dict)
    """Slug by name, of the enabled profiles."""
    raw: object = field(default=None, compare=False, repr=False)
    """The rows it was made from, or older ones, as the database driver gave them."""

    @property
    def default(self) -> SlotView | None:
        """The slot that `current` means."""
        return next((slot for slot in self.slots if slot.slug == DEFAULT_SLOT), None)

    @property
    def is_settled(self) -> bool:
        return all(slot.is_settled for slot in self.slots)


def read_board(items: Sequence[BoardSnapshot | None]) -> list[BoardSnapshot]:
    """The board now. Each item is the reader's last snapshot, which is returned if nothing has changed."""
    last = next((item for item in items if item is not None), None)
    snapshot = _read(last or BoardSnapshot())
    return [snapshot] * len(items)


def _read(last: BoardSnapshot) -> BoardSnapshot:
    """Three small queries while nothing changes, of prepared SQL: the ORM would take ten times their CPU."""
    raw = _read_raw()
    if raw == last.raw:
        return last
    profiles = _read_profiles()
    return BoardSnapshot(_read_slots(last, profiles), profiles, raw)


def _read_raw() -> object:
    """What `_read_slots` and `_read_profiles` would read, uninterpreted."""
    rows = []
    with connection.cursor() as cursor:
        for sql, parameters in _prepare_sql(connection.vendor):
            cursor.execute(sql, parameters)
            rows.append(cursor.fetchall())
    return rows


@cache
def _prepare_sql(vendor: str) -> list[tuple[str, Sequence[Any]]]:
    """The board's queries in this vendor's SQL."""
    return [rows.query.sql_with_params() for rows in (_slot_rows(), _switch_rows(), _profile_rows())]


def _read_slots(last: BoardSnapshot, profiles: Mapping[str, str]) -> tuple[SlotView, ...]:
    # Switches before slots: one that ends in between is then seen with what it led to, never as gone while
    # its slot still looks empty.
    switches = _read_switches(_names_by_profile(profiles))
    slots = list(_slot_rows())
    engines = _read_engines(slots, {slot.id: slot for slot in last.slots})
    return tuple(_view_slot(row, engines, switches.get(row.id, [])) for row in slots)


def _view_slot(
    row: Any, engines: Mapping[uuid.UUID, list[ServingEngine]], switches: Sequence[LiveSwitch]
) -> SlotView:
    is_empty, desired = row.active_engine_id is None, row.desired_profile
    awaits_restart = row.problem and desired and is_empty and not switches
    return SlotView(
        id=row.id,
        slug=row.slug,
        epoch=row.epoch,
        gate=Gate(row.gate),
        desired_profile=desired,
        engine=engines.get(row.active_engine_id, [None])[0],
        followers=tuple(engines.get(row.active_engine_id, ())[1:]),
        switches=tuple(switches),
        problem=row.problem,
        restart=find_restart(row.id, desired) if awaits_restart else None,
        retry_at=row.retry_at if is_empty else None,
        is_retiring=row.retiring_at is not None,
        rest=RestState(row.rest),
        is_wake_asked=row.wake_asked_at is not None,
        **(_view_resting(row.last_good_engine_id) if is_empty and row.rest != RestState.AWAKE else {}),
    )


def _view_resting(engine_id: uuid.UUID | None) -> dict[str, Any]:
    """The engine that the next request wakes, and how long that takes."""
    row = Engine.objects.filter(pk=engine_id).first() if engine_id is not None else None
    return {"resting": _view_engine(row), "wake_s": find_wake_seconds(row)} if row is not None else {}


def _slot_rows() -> QuerySet[Slot, Any]:
    columns = (
        *("id", "slug", "epoch", "gate", "desired_profile", "active_engine_id", "problem", "retry_at"),
        *("retiring_at", "rest", "wake_asked_at", "last_good_engine_id"),
    )
    return Slot.objects.in_use().order_by("slug").values_list(*columns, named=True)


def _switch_rows() -> QuerySet[Switch, dict[str, Any]]:
    columns = (
        *("id", "slot_id", "state", "from_profile", "to_profile", "phase", "detail", "percent"),
        *("ready_expected_at", "state_since", "old_engine__names", "new_engine__names"),
        *("plan__typical_seconds", "new_engine_id", "new_engine__base_url"),
        "new_engine__runtime",
    )
    rows: QuerySet[Switch, dict[str, Any]] = Switch.objects.live().order_by("id").values(*columns)
    return rows


def _profile_rows() -> QuerySet[ModelProfile, tuple[Any, ...]]:
    return (
        ModelProfile.objects.enabled()
        .order_by("slug")
        .values_list("slug", "served_model_name", "aliases", "lora_adapters")
    )


def _read_profiles() -> Mapping[str, str]:
    """Slug by name. A slug names its own profile even where another one has it as an alias."""
    rows = list(_profile_rows())
    names: dict[str, str] = {}
    for slug, served, aliases, adapters in rows:
        names |= {name: slug for name in (*adapters, *aliases, served) if name}
    return names | {row[0]: row[0] for row in rows}


def _names_by_profile(profiles: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    names: dict[str, tuple[str, ...]] = {}
    for name, slug in profiles.items():
        names[slug] = (*names.get(slug, ()), name)
    return names


def _read_switches(names: Mapping[str, tuple[str, ...]]) -> dict[uuid.UUID, list[LiveSwitch]]:
    """The live switches by slot."""
    found: dict[uuid.UUID, list[LiveSwitch]] = {}
    for row in _switch_rows():
        source, target = row["from_profile"], row["to_profile"]
        view = LiveSwitch(
            id=row["id"],
            state=SwitchState(row["state"]),
            from_profile=source,
            from_names=_all_names(source, row["old_engine__names"], names),
            to_profile=target,
            to_names=_all_names(target, row["new_engine__names"], names),
            phase=row["phase"],
            detail=row["detail"],
            percent=row["percent"],
            ready_expected_at=row["ready_expected_at"],
            typical_seconds=row["plan__typical_seconds"],
            state_since=row["state_since"],
            engine_id=row["new_engine_id"],
            engine_url=row["new_engine__base_url"] or "",
            health_path=find_health_path(row["new_engine__runtime"] or ""),
        )
        found.setdefault(row["slot_id"], []).append(view)
    for views in found.values():
        views.sort(key=lambda switch: switch.state is SwitchState.REQUESTED)
    return found


def _all_names(
    profile: str, of_engine: Sequence[str] | None, names: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    if not profile:
        return ()
    return tuple(of_engine) if of_engine else names.get(profile, (profile,))


def _read_engines(
    slots: Sequence[Any], before: Mapping[uuid.UUID, SlotView]
) -> dict[uuid.UUID, list[ServingEngine]]:
    """The engines of each slot by the id of its active one, which comes first.

    Those of an unchanged epoch are as they were read last: it grows with every engine that comes or goes.
    """
    known: dict[uuid.UUID, list[ServingEngine]] = {}
    wanted: list[uuid.UUID] = []
    for row in slots:
        old, engine_id, epoch = before.get(row.id), row.active_engine_id, row.epoch
        if old is not None and old.engine is not None and (old.epoch, old.engine.id) == (epoch, engine_id):
            known[engine_id] = list(old.engines)
        elif engine_id is not None:
            wanted.append(engine_id)
    if not wanted:
        return known
    leaders = {row.slot_id: row for row in Engine.objects.filter(pk__in=wanted)}
    known |= {row.id: [_view_engine(row)] for row in leaders.values()}
    serving = Engine.objects.filter(state=EngineState.SERVING, replica__gt=0, leaving_since=None)
    for row in serving.filter(slot_id__in=leaders).order_by("replica"):
        leader = leaders[row.slot_id]
        if row.pk != leader.pk:
            known[leader.pk].append(_view_engine(row, leader))
    return known


def _view_engine(row: Engine, leader: Engine | None = None) -> ServingEngine:
    """What a profile decides (names, limits, prices) is the leader's, where the row is a follower's."""
    told = leader or row
    adapters = [str(card["id"]) for card in told.cards if card.get("parent") and card.get("id")]
    return ServingEngine(
        id=row.id,
        profile=row.profile,
        model_name=row.model_name,
        names=tuple(dict.fromkeys((row.model_name, *told.names, *adapters))),
        adapters=frozenset(adapters) - {row.model_name},
        tasks=find_engine_tasks(row),
        base_url=row.base_url,
        api_key=find_engine_key(row, get_config()),
        cards=tuple(row.cards),
        max_model_len=row.max_model_len,
        max_concurrent_requests=told.spec.get("max_concurrent_requests"),
        max_output_tokens=told.spec.get("max_output_tokens"),
        price=Price(
            told.spec.get("cost_per_million_prompt_tokens") or 0.0,
            told.spec.get("cost_per_million_completion_tokens") or 0.0,
        ),
        since=row.ready_at,
    )
