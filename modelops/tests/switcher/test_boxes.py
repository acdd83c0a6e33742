"""A slot belongs to a box: whose it is, who takes it, and who leaves it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.conf import GatewayConfig
from modelops.models import Engine, Slot
from modelops.runtimes.base import Instance, InstanceState, RuntimeUnavailable
from modelops.switcher.boxes import Box, claim_slot, describe_foreign, find_box, identify_machine
from modelops.switcher.lease import SlotLease
from modelops.switcher.local_shutdown import end_local_engines
from modelops.tests.serving.slot_rows import flip, make_engine, make_slot

pytestmark = pytest.mark.django_db

DOCKER = {"problem": "", "id": "AAAA /var/lib/docker", "host": "gpu-1"}
AWAY = {"problem": "Docker does not answer."}


class Runtimes(dict[str, Any]):
    """Drivers that see these engines and no others; None: they do not answer."""

    def __init__(self, seen: tuple[str, ...] | None) -> None:
        super().__init__(docker=self, process=self, external=self)
        self.seen = seen

    def status(self, name: str) -> Instance:
        if self.seen is None:
            raise RuntimeUnavailable("It does not answer.")
        return Instance(name, InstanceState.RUNNING if name in self.seen else InstanceState.ABSENT)


def box(docker: dict[str, str], folder: Path) -> Box:
    return find_box(docker, folder)


def serve(slot: Slot, runtime: str) -> Engine:
    engine = make_engine(slot, "a", runtime=runtime)
    flip(slot, engine)
    return engine


def test_slot_that_is_no_boxs_is_taken_by_the_first_switcher_and_refused_to_the_next(tmp_path: Path) -> None:
    slot, again = make_slot(), Slot.objects.get()
    first, second = box(DOCKER, tmp_path), box(DOCKER | {"id": "BBBB /var/lib/docker"}, tmp_path)

    taken = [claim_slot(each, where, Runtimes(())) for each, where in ((slot, first), (again, second))]

    slot.refresh_from_db()
    assert taken == [True, False]
    assert (slot.box, slot.box_host) == ("docker:AAAA /var/lib/docker", "gpu-1")
    assert claim_slot(slot, first, Runtimes(()))
    assert not claim_slot(slot, second, Runtimes(()))
    assert describe_foreign(slot) == "default belongs to gpu-1 (docker:AAAA /var/lib/docker)."


@pytest.mark.parametrize(
    ("runtime", "seen", "is_taken"),
    [
        ("docker", ("default-1",), True),
        ("docker", (), False),
        ("docker", None, False),
        ("process", (), False),
        ("external", (), True),
    ],
)
def test_slot_of_an_earlier_version_is_taken_where_its_engine_is_seen_or_is_nobodys(
    tmp_path: Path, runtime: str, seen: tuple[str, ...] | None, is_taken: bool
) -> None:
    slot = make_slot()
    serve(slot, runtime)

    taken = claim_slot(Slot.objects.get(), box(DOCKER, tmp_path), Runtimes(seen))

    assert taken is is_taken


@pytest.mark.parametrize("runtime", ["process", "external"])
def test_slot_stays_this_machines_while_its_docker_is_stopped(tmp_path: Path, runtime: str) -> None:
    slot = make_slot()
    claim_slot(slot, box(DOCKER, tmp_path), Runtimes(()))
    serve(slot, runtime)

    assert claim_slot(slot, box(AWAY, tmp_path), Runtimes(()))
    assert not claim_slot(slot, box(AWAY, tmp_path / "another"), Runtimes(()))


def test_slot_with_containers_is_nobodys_to_judge_while_docker_does_not_answer(tmp_path: Path) -> None:
    slot = make_slot()
    claim_slot(slot, box(DOCKER, tmp_path), Runtimes(()))
    serve(slot, "docker")

    assert not claim_slot(slot, box(AWAY, tmp_path), Runtimes(()))


def test_slot_of_a_machine_without_docker_becomes_that_of_the_docker_engine_it_gets(tmp_path: Path) -> None:
    slot = make_slot()
    claim_slot(slot, box(AWAY, tmp_path), Runtimes(()))
    assert slot.box == identify_machine(tmp_path)

    taken = claim_slot(slot, box(DOCKER, tmp_path), Runtimes(()))

    slot.refresh_from_db()
    assert taken
    assert slot.box == "docker:AAAA /var/lib/docker"


def test_machine_is_known_again_by_its_data_folder(tmp_path: Path) -> None:
    assert identify_machine(tmp_path) == identify_machine(tmp_path)
    assert identify_machine(tmp_path) != identify_machine(tmp_path / "another")


def test_lease_of_a_slot_that_was_moved_is_neither_kept_nor_taken_again() -> None:
    slot = make_slot(box="here")
    lease = SlotLease(slot.pk, holder="first", length_s=0.0, box="here")
    assert lease.hold()

    Slot.objects.update(box="there", lease_holder="", fence=7)

    assert not lease.hold()


def test_gateway_that_ends_leaves_the_child_processes_of_other_machines_alone(tmp_path: Path) -> None:
    here, there = (
        make_slot("here", box_machine=identify_machine(tmp_path)),
        make_slot("there", box_machine="x"),
    )
    mine, theirs = serve(here, "process"), serve(there, "process")

    end_local_engines(GatewayConfig(data_dir=str(tmp_path)), reason="the gateway was stopped")

    mine.refresh_from_db()
    theirs.refresh_from_db()
    assert mine.ended_at is not None
    assert theirs.ended_at is None
