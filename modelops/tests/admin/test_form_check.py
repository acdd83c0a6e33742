"""The verdict of a profile's form before it is saved."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from accounts.models import Role, User
from modelops.models import ModelProfile
from modelops.tests.admin.admin_browser import LIST, form_data
from modelops.tests.fit_rows import record, save_large, save_profile

pytestmark = pytest.mark.django_db

NEW = f"{LIST}check/"


def check(web: Client, profile: ModelProfile, **typed: Any) -> dict[str, str]:
    """What the page shows after this was typed into the profile's form."""
    values = form_data(web, f"{LIST}{profile.pk}/change/")
    parts: dict[str, str] = web.post(f"{LIST}{profile.pk}/check/", values | typed).json()
    return parts


def test_verdict_is_that_of_what_was_typed_and_nothing_is_saved(web: Client) -> None:
    large = save_large(tensor_parallel_size=2)
    record()
    before = ModelProfile.objects.values().get(pk=large.pk)

    as_stored = check(web, large)
    typed = check(web, large, quantization="", tensor_parallel_size="1", config='{"model_type": "odd"}')

    assert "fit-does_not_fit" in as_stored["line"]
    assert "fit-unknown" in typed["line"]
    assert ModelProfile.objects.values().get(pk=large.pk) == before


def test_suggestions_of_a_form_fill_it_in(web: Client) -> None:
    eight = save_profile("eight", tensor_parallel_size=1)
    record()

    report = check(web, eight, gpu_memory_utilization="0.7")["report"]

    assert 'data-changes="{&quot;gpu_memory_utilization&quot;: 0.92}"' in report
    assert "/apply/" not in report


def test_form_that_is_not_valid_says_which_fields_and_why(web: Client) -> None:
    eight = save_profile("eight")
    save_profile("other")
    record()

    parts = check(web, eight, slug="other", max_model_len="999999", extra_flags='{"hf-token": "x"}')

    assert "2 fields are not valid" in parts["line"]
    assert '<a href="#id_slug">' in parts["report"]
    assert "already exists" in parts["report"]
    assert "is a secret" in parts["report"]


def test_profile_that_is_not_stored_yet_has_a_verdict_too(web: Client) -> None:
    values = form_data(web, f"{LIST}{save_profile('eight').pk}/change/") | {"slug": "fresh"}
    record()

    parts = web.post(NEW, values).json()

    assert "fit-fits" in parts["line"]
    assert not ModelProfile.objects.filter(slug="fresh").exists()


def test_checking_is_for_administrators_and_by_post_alone(web: Client) -> None:
    path = f"{LIST}{save_profile('eight').pk}/check/"
    plain = Client()
    plain.force_login(User.objects.create_user("mina", "mina@example.com", role=Role.USER))

    for each in (path, NEW):
        assert plain.post(each, {"slug": "x"}).status_code == 302
        assert web.get(each).status_code == 405


def test_nothing_that_was_typed_becomes_markup(web: Client) -> None:
    eight = save_profile("eight")
    record()

    parts = check(web, eight, slug="<script>alert(1)</script>", gpu_selection='["<b>"]')

    assert "<script>" not in parts["report"] + parts["line"]
    assert "<b>" not in parts["report"]
