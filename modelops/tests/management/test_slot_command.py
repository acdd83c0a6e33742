"""`manage.py slot`: what it prints, refuses and leaves as it was."""

from __future__ import annotations

import json

import pytest

from modelops.models import Slot
from modelops.tests.management.command_runs import run
from modelops.tests.serving.slot_rows import flip, make_engine
from modelops.tests.switching.test_placing import FIRST, SECOND, make_box

pytestmark = pytest.mark.django_db


def test_one_slot_per_card_is_made_and_listed_with_its_cards() -> None:
    make_box()

    narrowed = run("slot", "change", "default", "--gpus", "0")
    made = run("slot", "create", "second", "--gpus", "1", "--runtime", "docker")
    listed = run("slot", "list")[1].splitlines()
    content = json.loads(run("slot", "list", "--json")[1])

    assert "Slot default: changed gpus; GPU 0." in narrowed[1]
    assert "manage.py switch_model PROFILE --slot second" in made[1]
    assert listed[0].split() == ["SLOT", "STATE", "SERVES", "GPUS", "RUNTIME", "BOX"]
    assert listed[2].split() == ["second", "none", "-", "GPU", "1", "docker", "host-one"]
    assert any(line.endswith(f"{SECOND}  second") for line in listed)
    assert [slot["gpus"][0]["id"] for slot in content["slots"]] == [FIRST, SECOND]
    assert [gpu["total_bytes"] for gpu in content["boxes"][0]["gpus"]] == [24 * 2**30] * 2


def test_dry_run_says_the_same_and_changes_nothing() -> None:
    make_box()
    run("slot", "change", "default", "--gpus", "0")

    code, output, _errors = run("slot", "create", "second", "--gpus", "1", "--dry-run", "--json")
    refused = run("slot", "create", "second", "--gpus", "0", "--dry-run")

    assert code == 0
    assert json.loads(output)["slot"]["gpus"][0]["index"] == 1
    assert refused[0] == 2
    assert "Slot default has GPU 0 (RTX 3090)" in refused[2]
    assert Slot.objects.count() == 1


def test_slot_that_serves_is_retired_with_stop_and_found_among_the_retired() -> None:
    make_box()
    run("slot", "create", "bare", "--no-gpus")
    slot = Slot.objects.get(slug="bare")
    flip(slot, make_engine(slot, "a"))

    refused = run("slot", "retire", "bare")
    asked = run("slot", "retire", "bare", "--stop")
    retiring = run("slot", "list")[1]
    Slot.objects.filter(slug="bare").update(active_engine=None, retiring_at=None)
    slot.engines.all().update(ended_at="2026-01-01T00:00:00Z")
    ended = run("slot", "retire", "bare")

    assert refused[0] == 2
    assert "Slot bare serves a" in refused[2]
    assert "as soon as its engine has ended" in asked[1]
    assert "being retired" in retiring
    assert "is retired; its history stays" in ended[1]
    assert "bare" not in run("slot", "list")[1]
    assert "bare" in run("slot", "list", "--retired")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["change", "default"], "Say what to change"),
        (["change", "nowhere", "--gpus", "0"], "There is no slot 'nowhere'"),
        (["create", "Second"], "lower-case letters"),
        (["change", "default", "--runtime", "podman"], "The runtimes are: docker, process, external"),
        (["change", "default", "--gpus", "7"], "has no GPU 7; it has: GPU 0 (RTX 3090, 24.00 GiB)"),
        (["change", "default", "--box", "nowhere"], "Which box is 'nowhere'?"),
    ],
)
def test_what_cannot_be_is_refused_with_words(arguments: list[str], said: str) -> None:
    make_box()

    code, _output, errors = run("slot", *arguments)

    assert code == 2
    assert said in errors
