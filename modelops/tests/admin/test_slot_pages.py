"""The admin's pages of slots: a form with the box's cards, templates, retiring, and switching in a slot."""

from __future__ import annotations

import pytest
from django.test import Client

from modelops.models import Slot, Switch
from modelops.switching.slots import get_slot
from modelops.tests.admin.admin_browser import page
from modelops.tests.fit_rows import save_simulated
from modelops.tests.serving.slot_rows import flip, make_engine
from modelops.tests.switch_rows import make_ready
from modelops.tests.switching.test_placing import FIRST, SECOND, make_box, narrow_default

pytestmark = pytest.mark.django_db

SLOTS = "/admin/modelops/slot/"
MAKE = f"{SLOTS}make/"


def path_of(slug: str, what: str) -> str:
    return f"{SLOTS}{Slot.objects.get(slug=slug).pk}/{what}/"


def test_form_shows_the_cards_with_memory_and_owner_and_makes_the_slot(web: Client) -> None:
    make_box()
    narrow_default("0")

    html = page(web, MAKE)
    refused = web.post(MAKE, {"name": "second", "kind": "these", "gpus": [FIRST]})
    empty = web.post(MAKE, {"name": "second", "kind": "these"})
    made = web.post(
        MAKE, {"name": "second", "kind": "these", "gpus": [SECOND], "runtime": "docker"}, follow=True
    )

    assert "GPU 1, RTX 3090, 24.00 GiB" in html
    assert "GPU 0, RTX 3090, 24.00 GiB, belongs to slot default" in html
    assert refused.status_code == 409
    assert "Slot default has GPU 0 (RTX 3090)" in refused.content.decode()
    assert "Tick at least one card" in empty.content.decode()
    assert "Slot second is there: switch a profile to it." in made.content.decode()
    assert (Slot.objects.get(slug="second").gpus, Slot.objects.get(slug="second").runtime) == (
        [SECOND],
        "docker",
    )
    assert "GPU 1 (RTX 3090)" in made.content.decode()
    assert "docker only" in made.content.decode()


def test_cards_of_a_slot_are_changed_and_those_in_use_are_said(web: Client) -> None:
    make_box()
    flip(get_slot(), make_engine(get_slot(), "a", gpus=[FIRST]))

    html = page(web, path_of("default", "cards"))
    refused = web.post(path_of("default", "cards"), {"kind": "these", "gpus": [SECOND]})
    changed = web.post(path_of("default", "cards"), {"kind": "these", "gpus": [FIRST]}, follow=True)

    assert "An engine of this slot runs on GPU 0 (RTX 3090)" in html
    assert refused.status_code == 409
    assert "Slot default is changed." in changed.content.decode()
    assert get_slot().gpus == [FIRST]


def test_templates_divide_the_box_and_join_it_again(web: Client) -> None:
    make_box()

    divided = web.post(f"{SLOTS}divide/one-per-card/", follow=True).content.decode()
    again = web.post(f"{SLOTS}divide/one-per-card/", follow=True).content.decode()
    cards = {slot.slug: slot.gpus for slot in Slot.objects.in_use()}
    joined = web.post(f"{SLOTS}divide/one-for-all/", follow=True).content.decode()

    assert cards == {"default": [FIRST], "gpu-1": [SECOND]}
    assert "Slot gpu-1 is there" in divided
    assert "divided like this already" in again
    assert "Slot gpu-1 is retired" in joined
    assert {slot.slug: slot.gpus for slot in Slot.objects.in_use()} == {"default": []}


def test_template_keeps_the_card_that_serves_and_waits_for_engines_that_have_to_end(web: Client) -> None:
    make_box()
    flip(get_slot(), make_engine(get_slot(), "a", gpus=[SECOND]))

    web.post(f"{SLOTS}divide/one-per-card/")
    other = Slot.objects.get(slug="gpu-0")
    flip(other, make_engine(other, "b", gpus=[FIRST]))
    asked = web.post(f"{SLOTS}divide/one-for-all/", follow=True).content.decode()

    other.refresh_from_db()
    assert (get_slot().gpus, other.gpus) == ([SECOND], [FIRST])
    assert other.retiring_at is not None
    assert "press the same button again" in asked
    assert "being retired" in asked


def test_slot_that_serves_is_retired_after_a_page_that_says_what_it_means(web: Client) -> None:
    make_box()
    narrow_default("0")
    web.post(MAKE, {"name": "second", "kind": "none"})
    slot = Slot.objects.get(slug="second")
    flip(slot, make_engine(slot, "a"))

    html = page(web, path_of("second", "retire"))
    asked = web.post(path_of("second", "retire"), follow=True).content.decode()
    default = web.post(path_of("default", "retire"))

    assert "It serves <strong>a</strong>" in html
    assert "retired as soon as its engine has ended" in asked
    assert default.status_code == 409


def test_profile_is_switched_to_in_the_slot_that_was_chosen(web: Client) -> None:
    (first,) = make_ready("first")
    save_simulated("other")
    make_box()
    confirm = f"/admin/modelops/modelprofile/{first.pk}/switch/"
    alone = page(web, confirm)
    web.post(MAKE, {"name": "second", "kind": "none"})

    html = page(web, confirm, slot="second")
    asked = web.post(confirm, {"slot": "second"})

    assert 'name="slot" id="id_slot"' not in alone
    assert "Switch second to first" in html
    assert asked.status_code == 302
    assert Switch.objects.get().slot.slug == "second"
    assert web.get(confirm, {"slot": "nowhere"}).status_code == 404
