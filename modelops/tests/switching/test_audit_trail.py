"""What administrators do to profiles and switches is in the audit trail: who, what, from where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent
from gateway.audit import operating_system_user
from modelops.models import HardwareProfile, ModelProfile, Switch
from modelops.tests.admin.admin_browser import LIST
from modelops.tests.callers import post
from modelops.tests.fit_rows import save_profile
from modelops.tests.management.command_runs import run
from modelops.tests.switch_rows import ask, make_ready, serve

pytestmark = pytest.mark.django_db

HARDWARE = "/admin/modelops/hardwareprofile/"
SWITCH = "/api/models/switch"


def trail() -> list[tuple[str, str, str, str, str | None]]:
    rows = AuditEvent.objects.order_by("at", "id")
    return list(rows.values_list("action", "target_label", "actor_name", "via", "address"))


def save_form(web: Client, row: ModelProfile | HardwareProfile, **changes: str) -> Any:
    """Submit the row's form as its page shows it, with changes."""
    name = row._meta.model_name
    path = reverse(f"admin:modelops_{name}_change", args=[row.pk])
    form = web.get(path).context["adminform"].form
    shown = {each.html_name: each.value() for each in form}
    hidden = {each.html_initial_name: each.value() for each in form if each.field.show_hidden_initial}
    kept = {name: str(value) for name, value in (shown | hidden).items() if value not in (None, False, "")}
    return web.post(path, {name: value for name, value in (kept | changes).items() if value})


def test_edited_profile_is_on_record_without_what_may_be_secret(web: Client) -> None:
    row = save_profile("eight")

    response = save_form(web, row, is_enabled="", environment='{"VLLM_LOGGING_LEVEL": "DEBUG"}')

    assert response.status_code == 302, response.context["adminform"].form.errors
    assert trail() == [("modelprofile_changed", "eight", "root", "admin", "127.0.0.1")]
    assert AuditEvent.objects.get().changes == {"is_enabled": [True, False], "environment": "changed"}


def test_form_that_changes_nothing_leaves_no_record(web: Client) -> None:
    response = save_form(web, save_profile("eight"))

    assert (response.status_code, trail()) == (302, [])


def test_profiles_copied_and_deleted_are_on_record(web: Client) -> None:
    row = save_profile("eight")
    chosen = {"_selected_action": [str(row.pk)]}

    web.post(LIST, chosen | {"action": "duplicate"})
    web.post(f"{LIST}{row.pk}/delete/", {"post": "yes"})
    copy = ModelProfile.objects.get()
    web.post(LIST, {"action": "delete_selected", "_selected_action": [str(copy.pk)], "post": "yes"})

    assert [(action, label) for action, label, *_ in trail()] == [
        ("modelprofile_created", "eight-copy"),
        ("modelprofile_deleted", "eight"),
        ("modelprofile_deleted", "eight-copy"),
    ]
    assert not ModelProfile.objects.exists()


def test_hardware_profile_added_and_deleted_is_on_record(web: Client) -> None:
    form = {"slug": "quad", "display_name": "Four", "gpu_name": "A100", "gpu_count": "4"}
    page = web.get(f"{HARDWARE}add/").context["adminform"].form
    shown = {each.html_name: str(each.value()) for each in page if each.value() not in (None, False, "")}

    web.post(f"{HARDWARE}add/", shown | form | {"gpu_memory_mib": "81920"})
    web.post(f"{HARDWARE}{HardwareProfile.objects.get().pk}/delete/", {"post": "yes"})

    assert [action for action, *_ in trail()] == ["hardwareprofile_created", "hardwareprofile_deleted"]


def test_profiles_loaded_are_on_record_once(admin: Client) -> None:
    post(admin, "/api/models/reload", {"dry_run": True})
    assert trail() == []

    for _ in range(2):
        assert post(admin, "/api/models/reload").status_code == 200

    assert trail() == [("profiles_loaded", "model profiles", "boss", "rest", "127.0.0.1")]
    assert "simulated" in AuditEvent.objects.get().changes["profiles"]["created"]


def test_profiles_loaded_by_a_command_name_who_ran_it() -> None:
    run("load_profiles")

    user = operating_system_user()
    assert trail() == [("profiles_loaded", "model profiles", user, "command", None)]


def _by_rest(web: Client, admin: Client) -> None:
    post(admin, SWITCH, {"profile_id": "second", "reason": "evening", "dry_run": True})
    switch = post(admin, SWITCH, {"profile_id": "second", "reason": "evening"}).json()["id"]
    post(admin, f"/api/models/switches/{switch}/cancel")


def _by_admin(web: Client, admin: Client) -> None:
    profile = ModelProfile.objects.get(slug="second")
    web.get(f"{LIST}{profile.pk}/switch/")
    web.post(f"{LIST}{profile.pk}/switch/", {"reason": "evening"})
    web.post(f"/admin/modelops/switch/{Switch.objects.get().pk}/cancel/")


def _by_command(web: Client, admin: Client) -> None:
    run("switch_model", "second", "--no-wait", "--reason", "evening")
    run("cancel_switch")


@pytest.mark.parametrize(
    ("call", "who", "via", "address"),
    [
        (_by_rest, "boss", "rest", "127.0.0.1"),
        (_by_admin, "root", "admin", "127.0.0.1"),
        (_by_command, operating_system_user(), "command", None),
    ],
)
def test_switches_asked_for_and_cancelled_are_on_record(
    web: Client, admin: Client, call: Callable[..., None], who: str, via: str, address: str | None
) -> None:
    make_ready("first", "second")
    serve("first")

    call(web, admin)

    assert trail() == [
        ("switch_requested", "first → second", who, via, address),
        ("switch_cancelled", "first → second", who, via, address),
    ]
    event = AuditEvent.objects.get(action="switch_requested")
    assert event.changes == {"slot": "default", "reason": "evening", "force": False}
    assert event.target_id == str(Switch.objects.get().pk)


def test_cancel_action_of_the_list_is_on_record(web: Client) -> None:
    make_ready("first", "second")
    serve("first")
    switch = ask("second")
    AuditEvent.objects.all().delete()  # that it was asked for is on record, too

    web.post("/admin/modelops/switch/", {"action": "cancel_selected", "_selected_action": [str(switch.pk)]})

    assert [action for action, *_ in trail()] == ["switch_cancelled"]
