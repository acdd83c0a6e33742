from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from modelops.models import HardwareProfile, ModelProfile
from modelops.profiles.seed_result import Drift, SeedResult
from modelops.profiles.seed_yaml import write_document
from modelops.profiles.seeding import load_profiles
from modelops.tests.profiles.profile_examples import make_values

pytestmark = pytest.mark.django_db

FIVE_MISTAKES = """\
profiles:
  - slug: good
    display_name: Good
    repository: somebody/good
    image: vllm/vllm-openai:v0.33.0
  - slug: bad
    display_name: Bad
    repository: /models/bad
    image: vllm/vllm-openai
    max_model_len: long
    colour: red
    environment:
      LD_PRELOAD: evil.so
hardware_profiles:
  - slug: cards
    display_name: Cards
    gpu_name: RTX 3090
    gpu_count: 2
"""


def write(*profiles: dict[str, Any], hardware: list[dict[str, Any]] | None = None) -> str:
    return write_document({"profiles": list(profiles), "hardware_profiles": hardware or []})


def take_snapshot() -> list[Any]:
    kinds = (ModelProfile, HardwareProfile)
    return [row for kind in kinds for row in kind.objects.order_by("slug").values_list()]


def test_a_file_with_five_different_mistakes_reports_all_five_and_changes_nothing() -> None:
    load_profiles(write(make_values(slug="bad")))
    before = take_snapshot()

    result = load_profiles(FIVE_MISTAKES)

    assert [(mistake.line, mistake.slug, mistake.field) for mistake in result.invalid] == [
        (8, "bad", "repository"),
        (9, "bad", "image"),
        (10, "bad", "max_model_len"),
        (11, "bad", "colour"),
        (13, "bad", "environment.LD_PRELOAD"),
    ]
    assert result.profiles.created == ()
    assert take_snapshot() == before


def test_mistakes_between_entries_are_found_too() -> None:
    result = load_profiles(
        write(
            make_values(slug="a", is_default=True),
            make_values(slug="a"),
            make_values(slug="b", is_default=True, aliases=["a"]),
        )
    )

    assert {(mistake.slug, mistake.field) for mistake in result.invalid} == {
        ("a", "slug"),
        ("b", "is_default"),
        ("b", "aliases[0]"),
    }
    assert not ModelProfile.objects.exists()


def test_loading_twice_changes_nothing_the_second_time() -> None:
    text = write(make_values(is_default=True), hardware=[make_hardware_values()])

    first = load_profiles(text)
    rows = take_snapshot()
    second = load_profiles(text)

    assert first.profiles.created == ("example",)
    assert first.hardware_profiles.created == ("cards",)
    assert second.profiles.unchanged == ("example",)
    assert second.hardware_profiles.unchanged == ("cards",)
    assert take_snapshot() == rows


def test_a_change_in_the_file_updates_the_row() -> None:
    load_profiles(write(make_values()))

    result = load_profiles(write(make_values(max_model_len=4096)))

    assert result.profiles.updated == ("example",)
    assert ModelProfile.objects.get().max_model_len == 4096


def test_a_row_changed_by_hand_is_kept_and_shown_as_drift() -> None:
    load_profiles(write(make_values()))
    ModelProfile.objects.update(max_model_len=2048)

    again = load_profiles(write(make_values()))
    changed = load_profiles(write(make_values(max_num_seqs=8)))

    assert again.profiles.drifted == (Drift("example", ("max_model_len",)),)
    assert changed.profiles.drifted == again.profiles.drifted
    row = ModelProfile.objects.get()
    assert (row.max_model_len, row.max_num_seqs) == (2048, None)
    assert row.find_drift() == ("max_model_len",)


def test_force_overwrites_what_was_changed_by_hand() -> None:
    load_profiles(write(make_values()))
    ModelProfile.objects.update(max_model_len=2048)

    result = load_profiles(write(make_values()), force=True)

    assert result.profiles.updated == ("example",)
    assert ModelProfile.objects.get().max_model_len is None
    assert ModelProfile.objects.get().find_drift() == ()


def test_a_row_changed_back_follows_the_file_again() -> None:
    load_profiles(write(make_values()))
    ModelProfile.objects.update(max_model_len=2048)
    load_profiles(write(make_values(max_num_seqs=8)))
    ModelProfile.objects.update(max_model_len=None)

    result = load_profiles(write(make_values(max_num_seqs=8)))

    assert result.profiles.updated == ("example",)
    assert ModelProfile.objects.get().max_num_seqs == 8


def test_a_row_made_by_hand_is_kept_until_it_agrees_with_the_file() -> None:
    ModelProfile.objects.create(**make_values(max_num_seqs=4))

    differing = load_profiles(write(make_values()))
    agreeing = load_profiles(write(make_values(max_num_seqs=4)))
    later = load_profiles(write(make_values(max_num_seqs=5)))

    assert differing.profiles.drifted == (Drift("example", ("max_num_seqs",)),)
    assert agreeing.profiles.unchanged == ("example",)
    assert later.profiles.updated == ("example",)


def test_settings_that_are_newer_than_the_last_load_are_no_drift() -> None:
    load_profiles(write(make_values()))
    row = ModelProfile.objects.get()
    older = {name: value for name, value in (row.seeded_values or {}).items() if name in make_values()}
    row.seeded_values = older
    row.save()

    result = load_profiles(write(make_values()))

    assert (result.profiles.unchanged, row.find_drift()) == (("example",), ())


def test_rows_that_left_the_file_are_reported_and_kept() -> None:
    load_profiles(write(make_values(), make_values(slug="old")))
    ModelProfile.objects.create(**make_values(slug="by-hand"))

    result = load_profiles(write(make_values()))

    assert result.profiles.missing == ("old",)
    assert ModelProfile.objects.count() == 3


def test_the_default_can_move_from_one_profile_to_another() -> None:
    load_profiles(write(make_values(slug="a", is_default=True), make_values(slug="b")))

    result = load_profiles(write(make_values(slug="a"), make_values(slug="b", is_default=True)))

    assert result.profiles.updated == ("a", "b")
    assert ModelProfile.objects.get(is_default=True).slug == "b"


def test_a_default_chosen_by_hand_stays_unless_forced() -> None:
    ModelProfile.objects.create(**make_values(slug="by-hand", is_default=True))
    text = write(make_values(is_default=True))

    first = load_profiles(text)
    second = load_profiles(text)

    assert first.profiles.created == ("example",)
    assert second.profiles.drifted == (Drift("example", ("is_default",)),)
    assert ModelProfile.objects.get(is_default=True).slug == "by-hand"

    forced = load_profiles(text, force=True)

    assert set(forced.profiles.updated) == {"by-hand", "example"}
    assert ModelProfile.objects.get(is_default=True).slug == "example"


def test_a_conflict_with_a_row_outside_the_file_undoes_everything() -> None:
    ModelProfile.objects.create(**make_values(slug="by-hand", aliases=["second"]))

    result = load_profiles(write(make_values(slug="first"), make_values(slug="second")))

    assert [(mistake.slug, mistake.field) for mistake in result.invalid] == [("second", "slug")]
    assert [row.slug for row in ModelProfile.objects.all()] == ["by-hand"]


def test_a_dry_run_says_what_would_happen_and_does_nothing() -> None:
    load_profiles(write(make_values()))

    result = load_profiles(write(make_values(max_num_seqs=8), make_values(slug="new")), dry_run=True)

    assert (result.profiles.created, result.profiles.updated) == (("new",), ("example",))
    assert result.is_dry_run
    assert ModelProfile.objects.get().max_num_seqs is None


@pytest.mark.django_db(transaction=True)
def test_two_loads_at_the_same_moment_both_succeed() -> None:
    results: list[SeedResult] = []
    text = write(*(make_values(slug=f"p{index}") for index in range(5)))
    barrier = threading.Barrier(2)

    def load() -> None:
        try:
            barrier.wait()
            results.append(load_profiles(text))
        finally:
            connection.close()

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(len(result.profiles.created) for result in results) == [0, 5]
    assert sorted(len(result.profiles.unchanged) for result in results) == [0, 5]
    assert ModelProfile.objects.count() == 5


def make_hardware_values() -> dict[str, Any]:
    return {"slug": "cards", "display_name": "Cards", "gpu_name": "RTX 3090", "gpu_count": 2}
