"""The file of profiles, loaded again from the admin: what would change is shown, then that is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent
from modelops.admin import reload_pages
from modelops.models import HardwareProfile, ModelProfile
from modelops.profiles.seed_yaml import write_document
from modelops.profiles.seeding import load_profiles
from modelops.tests.admin.admin_browser import LIST, page
from modelops.tests.profiles.profile_examples import make_values

pytestmark = pytest.mark.django_db

RELOAD = f"{LIST}reload/"
Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes the file that the page loads."""
    path = tmp_path / "profiles.yml"
    monkeypatch.setattr(reload_pages, "PROFILES_PATH", path)

    def write(*profiles: dict[str, Any], text: str | None = None) -> None:
        path.write_text(text if text is not None else write_document({"profiles": list(profiles)}))

    return write


def look(web: Client, **query: str) -> Any:
    return web.get(RELOAD, query)


def load(web: Client, shown: Any, **options: Any) -> Any:
    """Press the button of a page that was shown."""
    sent = {"fingerprint": shown.context["fingerprint"]} | ({"force": "1"} if shown.context["force"] else {})
    return web.post(RELOAD, sent, **options)


def changes_of(response: Any) -> dict[str, list[tuple[str, str, str]]]:
    return {each.slug: list(each.lines) for each in response.context["changed"]}


def test_list_leads_to_the_page(web: Client) -> None:
    assert f'href="{RELOAD}"' in page(web, LIST)


def test_difference_is_shown_field_by_field_and_nothing_is_changed(web: Client, write: Write) -> None:
    load_profiles(write_document({"profiles": [make_values(slug="one"), make_values(slug="same")]}))
    write(make_values(slug="one", max_model_len=4096), make_values(slug="same"), make_values(slug="new"))

    response = look(web)

    assert changes_of(response) == {"one": [("max_model_len", "auto", "4096")]}
    assert [each.slug for each in response.context["created"]] == ["new"]
    assert response.context["unchanged"] == ["same"]
    assert ModelProfile.objects.get(slug="one").max_model_len is None
    assert not ModelProfile.objects.filter(slug="new").exists()


def test_what_was_shown_is_loaded_and_on_record(web: Client, write: Write) -> None:
    load_profiles(write_document({"profiles": [make_values(slug="one")]}))
    write(make_values(slug="one", max_model_len=4096), make_values(slug="new"))

    response = load(web, look(web), follow=True)

    assert "The file of profiles is loaded: 1 was created, 1 was changed." in response.content.decode()
    assert ModelProfile.objects.get(slug="one").max_model_len == 4096
    event = AuditEvent.objects.get(action="profiles_loaded")
    assert event.changes == {"profiles": {"created": ["new"], "updated": ["one"]}}
    assert "there is nothing to load" in page(web, RELOAD)


@pytest.mark.parametrize("what", ["file", "row"])
def test_file_or_row_that_changed_in_between_is_not_loaded(web: Client, write: Write, what: str) -> None:
    load_profiles(write_document({"profiles": [make_values(slug="one")]}))
    write(make_values(slug="one", max_model_len=4096))
    shown = look(web)
    if what == "file":
        write(make_values(slug="one", max_model_len=8192))
    else:
        ModelProfile.objects.update(display_name="Edited")

    response = load(web, shown)

    assert response.status_code == 409
    assert "changed meanwhile" in response.content.decode()
    assert ModelProfile.objects.get().max_model_len is None


def test_mistakes_stand_with_their_lines_and_nothing_can_be_loaded(web: Client, write: Write) -> None:
    write(text="profiles:\n  - slug: one\n    display_name: One\n    dtype: int3\n")

    response = look(web)

    text = response.content.decode()
    assert '<td class="number">4</td>' in text
    assert "must be one of" in text
    assert "Load as shown" not in text
    assert web.post(RELOAD, {"fingerprint": ""}).status_code in (400, 409)
    assert not ModelProfile.objects.exists()


def test_file_that_is_not_there_is_said_to_be_missing(web: Client, write: Write) -> None:
    assert "cannot be read: No such file" in page(web, RELOAD)
    assert web.post(RELOAD, {"fingerprint": ""}).status_code == 400


def test_what_was_changed_by_hand_is_kept_unless_it_is_to_be_overwritten(web: Client, write: Write) -> None:
    load_profiles(write_document({"profiles": [make_values(slug="one")]}))
    ModelProfile.objects.update(max_num_seqs=7)
    write(make_values(slug="one"))

    kept, forced = look(web), look(web, force="1")
    assert changes_of(kept) == {}
    assert [each.slug for each in kept.context["drifted"]] == ["one"]
    assert changes_of(forced) == {"one": [("max_num_seqs", "7", "the engine's default")]}
    load(web, forced)

    assert ModelProfile.objects.get().max_num_seqs is None


def test_rows_that_the_file_no_longer_has_and_hardware_profiles_are_shown(web: Client, write: Write) -> None:
    load_profiles(write_document({"profiles": [make_values(slug="gone")]}))
    hardware = {"slug": "cards", "display_name": "Cards", "gpu_name": "RTX 3090", "gpu_count": 2}
    write(text=write_document({"profiles": [], "hardware_profiles": [hardware]}))

    shown = look(web)
    load(web, shown)

    assert shown.context["missing"] == ["gone"]
    assert [(each.slug, each.is_hardware) for each in shown.context["created"]] == [("cards", True)]
    assert HardwareProfile.objects.filter(slug="cards").exists()
    assert ModelProfile.objects.filter(slug="gone").exists()
