"""Whether a cluster has room for an engine's replicas, by what its nodes have and what is free of it.

A cluster queues what it has no room for, for ever: what does not fit is an outage there, so it is refused
before anything is deployed. Sums over nodes decide, as the cluster may spread an engine over several.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.wording import fill_in, join_texts

NO_CARD = "cpu"
"""In place of an accelerator type: the engine computes on processors."""
CPUS_PER_REPLICA = 1.0
"""What a replica's actor takes of a cluster, beside its cards."""
CPUS_PER_APPLICATION = 1.0
"""What the replica that takes its requests takes (`ray.serve.llm`)."""
_EPSILON = 1e-6


class Room(StrEnum):
    BESIDE = "beside"
    """There is room beside what serves now."""
    AFTER = "after"
    """There is room once what serves now has ended."""
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class ClusterNode:
    """A machine of the cluster. `accelerators` are the types that it says its cards are of."""

    cpus: float
    cards: float
    free_cpus: float
    free_cards: float
    accelerators: tuple[str, ...] = ()

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> ClusterNode:
        """From the facts that the runtime reports."""
        return cls(**{**values, "accelerators": tuple(values.get("accelerators") or ())})


@dataclass(frozen=True, kw_only=True)
class ClusterNeed:
    """What so many replicas take. `accelerator` is empty where any card will do."""

    replicas: int
    cards_each: int
    accelerator: str = ""
    has_ingress: bool = True

    @property
    def cards(self) -> int:
        return self.replicas * self.cards_each

    @property
    def cpus(self) -> float:
        own = CPUS_PER_APPLICATION if self.has_ingress else 0.0
        return self.replicas * CPUS_PER_REPLICA + own


def build_need(*, is_simulated: bool, accelerator: str, replicas: int, cards_each: int) -> ClusterNeed:
    """What an application takes that begins with so many replicas."""
    needs_cards = not is_simulated and accelerator != NO_CARD
    return ClusterNeed(
        replicas=max(1, replicas),
        cards_each=cards_each if needs_cards else 0,
        accelerator=accelerator if needs_cards else "",
        has_ingress=not is_simulated,
    )


@dataclass(frozen=True, kw_only=True)
class ClusterRoom:
    """The judgement, and why in words where there is no room; `room` says when there is."""

    room: Room
    message: str = ""
    is_lasting: bool = True
    """The cluster is too small, whatever becomes free of it."""


def judge_room(need: ClusterNeed, nodes: Sequence[ClusterNode], *, held: ClusterNeed | None) -> ClusterRoom:
    """Where `need` finds room. `held` is what the engine takes that serves now, None for none."""
    fitting = [node for node in nodes if not need.accelerator or need.accelerator in node.accelerators]
    if need.cards and not fitting:
        return ClusterRoom(room=Room.NONE, message=_explain_no_such_card(need, nodes))
    is_same_kind = held is not None and (not need.accelerator or need.accelerator == held.accelerator)
    freed_cards = held.cards if held is not None and is_same_kind else 0
    freed_cpus = held.cpus if held is not None else 0.0
    cards, free_cards = (_sum(fitting, name) for name in ("cards", "free_cards"))
    cpus, free_cpus = (_sum(nodes, name) for name in ("cpus", "free_cpus"))
    if _covers(free_cards, need.cards) and _covers(free_cpus, need.cpus):
        return ClusterRoom(room=Room.BESIDE)
    if _covers(free_cards + freed_cards, need.cards) and _covers(free_cpus + freed_cpus, need.cpus):
        return ClusterRoom(room=Room.AFTER)
    if not _covers(free_cards + freed_cards, need.cards):
        message = _explain_few_cards(need, cards, free_cards, free_cards + freed_cards)
        return ClusterRoom(room=Room.NONE, message=message, is_lasting=not _covers(cards, need.cards))
    message = _explain_few_cpus(need, cpus, free_cpus, free_cpus + freed_cpus)
    return ClusterRoom(room=Room.NONE, message=message, is_lasting=not _covers(cpus, need.cpus))


def _sum(nodes: Sequence[ClusterNode], name: str) -> float:
    return float(sum(getattr(node, name) for node in nodes))


def _covers(available: float, wanted: float) -> bool:
    return available + _EPSILON >= wanted


def _explain_no_such_card(need: ClusterNeed, nodes: Sequence[ClusterNode]) -> str:
    known = sorted({name for node in nodes for name in node.accelerators})
    return fill_in(
        "The profile asks for cards of the type {accelerator}, and no node of the cluster has any. It has: "
        "{known}.",
        accelerator=need.accelerator,
        known=join_texts(", ", known) if known else fill_in("cards of no known type"),
    )


def _explain_few_cards(need: ClusterNeed, total: float, free: float, then: float) -> str:
    values = {
        "replicas": need.replicas,
        "cards": need.cards,
        "each": need.cards_each,
        "total": f"{total:g}",
        "free": f"{free:g}",
        "then": f"{then:g}",
    }
    if need.accelerator:
        return fill_in(
            "The profile asks for {cards} GPUs of the type {accelerator} ({replicas} replicas with {each} "
            "each). The cluster has {total}, {free} of them free, {then} once what serves now has ended.",
            accelerator=need.accelerator,
            **values,
        )
    return fill_in(
        "The profile asks for {cards} GPUs ({replicas} replicas with {each} each). The cluster has {total}, "
        "{free} of them free, {then} once what serves now has ended.",
        **values,
    )


def _explain_few_cpus(need: ClusterNeed, total: float, free: float, then: float) -> str:
    return fill_in(
        "The profile asks for {cpus} CPUs of the cluster ({replicas} replicas). It has {total}, {free} of "
        "them free, {then} once what serves now has ended.",
        cpus=f"{need.cpus:g}",
        replicas=need.replicas,
        total=f"{total:g}",
        free=f"{free:g}",
        then=f"{then:g}",
    )
