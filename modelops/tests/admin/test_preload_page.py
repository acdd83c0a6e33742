"""The page of a profile's preload; the test plays the switcher."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent
from modelops.models import ModelProfile, Preload, PreloadState
from modelops.tests.admin.admin_browser import LIST, page
from modelops.tests.fit_rows import save_profile
from modelops.tests.switch_rows import announce_switcher, ask, make_ready

pytestmark = pytest.mark.django_db

HALF = {"what": "maker/eight", "done_bytes": 5 << 30, "total_bytes": 10 << 30}


def preload_path(profile: ModelProfile, call: str = "") -> str:
    return f"{LIST}{profile.pk}/preload/{call}"


def begin(web: Client, profile: ModelProfile, **values: Any) -> Preload:
    """Press the button, and have the switcher write these values."""
    web.post(preload_path(profile))
    Preload.objects.update(**values)
    return Preload.objects.get()


def test_form_leads_to_the_page_and_the_page_says_what_a_preload_is(web: Client) -> None:
    eight = save_profile("eight")

    assert f'href="{preload_path(eight)}"' in page(web, f"{LIST}{eight.pk}/change/")
    assert "Preload image and weights" in page(web, preload_path(eight))
    assert not Preload.objects.exists()


def test_preload_is_asked_for_by_its_button_and_on_record(web: Client) -> None:
    eight = save_profile("eight")

    response = web.post(preload_path(eight))

    preload = Preload.objects.get()
    assert response["Location"] == preload_path(eight)
    assert (preload.profile, preload.state, preload.actor_name) == ("eight", "waiting", "root")
    assert AuditEvent.objects.get(action="preload_requested").changes == {"profile": "eight"}


def test_progress_is_shown_in_bytes(web: Client) -> None:
    announce_switcher()
    eight = save_profile("eight")
    begin(web, eight, state=PreloadState.FETCHING, progress=HALF)

    progress = web.get(preload_path(eight, "progress/")).json()

    assert not progress["is_finished"]
    assert "5.00 GiB of 10.00 GiB" in progress["part"]
    assert '<progress class="meter" max="10737418240" value="5368709120"' in progress["part"]
    assert "No switcher" not in progress["part"]


def test_preload_is_cancelled_by_its_button(web: Client) -> None:
    eight = save_profile("eight")
    preload = begin(web, eight)

    web.post(preload_path(eight, "cancel/"))

    preload.refresh_from_db()
    assert preload.cancel_requested_at is not None
    assert "It is being ended." in page(web, preload_path(eight))


@pytest.mark.parametrize(
    ("state", "values", "words"),
    [
        ("done", {}, "a switch to this profile does not wait"),
        ("cancelled", {}, "What was fetched is kept."),
        (
            "failed",
            {"cause": {"code": "no_disk", "message": "the disk is full.", "advice": "Free it."}},
            "Free it.",
        ),
    ],
)
def test_end_is_shown_with_what_it_means(web: Client, state: str, values: dict[str, Any], words: str) -> None:
    eight = save_profile("eight")
    begin(web, eight, state=state, ended_at=timezone.now(), **values)

    assert words in page(web, preload_path(eight))
    assert web.get(preload_path(eight, "progress/")).json()["is_finished"]


def test_preload_that_nobody_carries_out_says_why(web: Client) -> None:
    (first,) = make_ready("first")
    begin(web, first)
    ask("first")

    waiting = page(web, preload_path(first))
    announce_switcher(age_s=3600)
    silent = page(web, preload_path(first))

    assert "A switch is under way: the preload waits for its end." in waiting
    assert "No switcher has been heard of for a while." in silent


def test_engine_that_is_started_elsewhere_has_nothing_to_fetch(web: Client) -> None:
    elsewhere = save_profile("elsewhere", runtime="external", image="")

    response = web.post(preload_path(elsewhere), follow=True)

    assert "there is nothing to fetch" in response.content.decode()
    assert not Preload.objects.exists()


def test_cancelling_what_was_never_asked_for_changes_nothing(web: Client) -> None:
    eight = save_profile("eight")

    assert web.post(preload_path(eight, "cancel/")).status_code == 302
    assert web.get(preload_path(eight, "cancel/")).status_code == 405
    assert web.get(preload_path(eight, "progress/")).json() == {"part": "", "is_finished": True}
