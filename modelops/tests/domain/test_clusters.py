"""Whether a cluster has room, by figures."""

from __future__ import annotations

import pytest

from modelops.domain.clusters import ClusterNeed, ClusterNode, Room, build_need, judge_room


def node(*, cards: float, free_cards: float, kind: str = "L40S", free_cpus: float = 16.0) -> ClusterNode:
    kinds = (kind,) if kind else ()
    return ClusterNode(cpus=16.0, cards=cards, free_cpus=free_cpus, free_cards=free_cards, accelerators=kinds)


def need(*, replicas: int = 1, cards_each: int = 2, accelerator: str = "L40S") -> ClusterNeed:
    return build_need(is_simulated=False, accelerator=accelerator, replicas=replicas, cards_each=cards_each)


@pytest.mark.parametrize(
    ("wanted", "nodes", "held", "room"),
    [
        (need(), [node(cards=4, free_cards=2)], need(), Room.BESIDE),
        (need(), [node(cards=2, free_cards=0)], need(), Room.AFTER),
        (need(), [node(cards=2, free_cards=0)], None, Room.NONE),
        # An engine may be spread over nodes.
        (need(cards_each=4), [node(cards=2, free_cards=2)] * 2, None, Room.BESIDE),
        # Cards of another kind do not help, whoever frees them.
        (need(), [node(cards=8, free_cards=8, kind="T4")], None, Room.NONE),
        (need(), [node(cards=1, free_cards=1)], need(cards_each=1, accelerator="T4"), Room.NONE),
        (need(accelerator=""), [node(cards=8, free_cards=8, kind="T4")], None, Room.BESIDE),
        # What computes on processors needs those alone.
        (need(accelerator="cpu"), [node(cards=0, free_cards=0, kind="")], None, Room.BESIDE),
        (need(), [node(cards=8, free_cards=8, free_cpus=0)], None, Room.NONE),
        (need(), [node(cards=8, free_cards=8, free_cpus=0)], need(), Room.AFTER),
    ],
)
def test_there_is_room_beside_what_serves_or_after_it_or_none(
    wanted: ClusterNeed, nodes: list[ClusterNode], held: ClusterNeed | None, room: Room
) -> None:
    judged = judge_room(wanted, nodes, held=held)

    assert judged.room is room
    assert bool(judged.message) is (room is Room.NONE)


def test_what_does_not_fit_is_said_with_its_figures() -> None:
    few = judge_room(need(replicas=3), [node(cards=4, free_cards=1)], held=need())
    other = judge_room(need(accelerator="H100"), [node(cards=4, free_cards=4)], held=None)

    assert few.message == (
        "The profile asks for 6 GPUs of the type L40S (3 replicas with 2 each). The cluster has 4, 1 of them "
        "free, 3 once what serves now has ended."
    )
    assert "the type H100" in other.message
    assert "It has: L40S." in other.message
