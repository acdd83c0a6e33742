"""The admin's pages of switches, engines and slots."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db.models import QuerySet
from django.test import Client

from accounts.models import Role, User
from modelops.models import Engine, ModelProfile, Slot, Switch
from modelops.tests.admin.admin_browser import LIST, page
from modelops.tests.fit_rows import record, save_large, save_profile
from modelops.tests.switch_rows import (
    announce_switcher,
    ask,
    make_ready,
    serve,
)

pytestmark = pytest.mark.django_db

SWITCHES = "/admin/modelops/switch/"
ENGINES = "/admin/modelops/engine/"
SLOTS = "/admin/modelops/slot/"


def confirm_path(profile: ModelProfile) -> str:
    return f"{LIST}{profile.pk}/switch/"


def switch_path(switch: Switch, call: str = "change") -> str:
    return f"{SWITCHES}{switch.pk}/{call}/"


def test_every_page_and_call_is_for_admins() -> None:
    (profile,) = make_ready("first")
    engine, slot = serve("first"), Slot.objects.get()
    switch = ask("first", max_model_len=1024)
    plain = Client()
    plain.force_login(User.objects.create_user("mina", "mina@example.com", role=Role.USER))
    paths = [
        *(SWITCHES, ENGINES, SLOTS, confirm_path(profile)),
        *(switch_path(switch), switch_path(switch, "progress"), switch_path(switch, "cancel")),
        *(f"{ENGINES}{engine.pk}/change/", f"{SLOTS}{slot.pk}/change/"),
    ]

    for client in (Client(), plain):
        for path in paths:
            for answer in (client.get(path), client.post(path, {"reason": "x"})):
                assert answer.status_code == 302, path
                assert answer["Location"].startswith("/admin/login/")
    switch.refresh_from_db()
    assert (Switch.objects.count(), switch.cancel_requested_at) == (1, None)


@pytest.mark.parametrize("path", [SWITCHES, ENGINES, SLOTS])
def test_rows_of_the_switcher_are_only_shown(web: Client, path: str) -> None:
    make_ready("first")
    serve("first")
    ask("first", max_model_len=1024)
    rows: QuerySet[Any] = {SWITCHES: Switch, ENGINES: Engine, SLOTS: Slot}[path]._default_manager.all()
    before = rows.values().get()

    refused = [
        web.get(f"{path}add/"),
        web.post(f"{path}{before['id']}/delete/", {"post": "yes"}),
    ]
    web.post(f"{path}{before['id']}/change/", {"slug": "other", "name": "other", "state": "active"})

    assert [answer.status_code for answer in refused] == [403, 403]
    assert rows.values().get() == before


def test_pages_of_nothing_are_404(web: Client) -> None:
    for path in (
        f"{SWITCHES}{uuid.uuid4()}/change/",
        f"{SWITCHES}nonsense/change/",
        f"{SWITCHES}{uuid.uuid4()}/progress/",
        f"{LIST}{uuid.uuid4()}/switch/",
    ):
        assert web.get(path).status_code == 404
    assert web.post(f"{SWITCHES}{uuid.uuid4()}/cancel/").status_code == 404


def test_action_leads_to_the_confirmation_of_one_profile(web: Client) -> None:
    first, second = make_ready("first", "second")
    one = {"action": "switch_to", "_selected_action": [str(first.pk)]}
    both = {"action": "switch_to", "_selected_action": [str(first.pk), str(second.pk)]}

    assert web.post(LIST, one)["Location"] == confirm_path(first)
    assert "Choose one profile" in web.post(LIST, both, follow=True).content.decode()
    assert confirm_path(first) in page(web, f"{LIST}{first.pk}/change/")


def test_confirmation_shows_the_plan_and_asks_for_nothing_by_itself(web: Client) -> None:
    _first, second = make_ready("first", "second")
    engine = serve("first")
    Engine.objects.filter(pk=engine.pk).update(spec={**engine.spec, "max_model_len": 1024})

    html = page(web, confirm_path(second))

    assert "Served now: <strong>first</strong>" in html
    assert "stop the engine that serves, then start a new one" in html
    assert "<td>max_model_len</td><td>1024</td><td>4096</td>" in html
    assert "Start-up takes" in html
    assert 'name="force"' not in html
    assert not Switch.objects.exists()


def test_confirmed_switch_is_asked_for_and_shown(web: Client) -> None:
    (first,) = make_ready("first")
    data = {"reason": "new week", "drain_timeout_s": "9", "drain_policy": "abandon"}

    answer = web.post(confirm_path(first), data)

    switch = Switch.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, switch_path(switch))
    assert (switch.via, switch.actor_name, switch.reason) == ("admin", "root", "new week")
    assert (switch.drain_timeout_s, switch.drain_policy, switch.force) == (9, "abandon", False)
    html = page(web, switch_path(switch))
    assert "Asked for by root (admin pages)" in html
    assert "“new week”" in html


def test_confirmation_joins_a_switch_to_the_same_profile(web: Client) -> None:
    (first,) = make_ready("first")
    under_way = ask("first")

    assert "This one would join it" in page(web, confirm_path(first))
    assert web.post(confirm_path(first), {})["Location"] == switch_path(under_way)


def test_profile_that_serves_needs_no_switch(web: Client) -> None:
    (first,) = make_ready("first")
    serve("first")

    html = page(web, confirm_path(first))

    assert "active already: there is nothing to do" in html
    assert '<form method="post" action="/admin/modelops/modelprofile/' not in html
    assert "is active already" in web.post(confirm_path(first), {}, follow=True).content.decode()
    assert not Switch.objects.exists()


def test_force_is_offered_only_where_something_may_be_forced(web: Client) -> None:
    large = save_large()
    announce_switcher()
    record()

    html = page(web, confirm_path(large))
    refused = web.post(confirm_path(large), {"reason": "try"})
    forced = web.post(confirm_path(large), {"reason": "try", "force": "on"})

    assert 'name="force"' in html
    assert "It would run with" in html
    assert refused.status_code == 409
    assert "leave nothing" in refused.content.decode()
    assert forced.status_code == 302
    assert Switch.objects.get().force is True


def test_without_a_switcher_the_page_says_what_to_do_and_offers_no_button(web: Client) -> None:
    (first,) = make_ready("first")
    announce_switcher(age_s=3600)

    html = page(web, confirm_path(first))

    assert "Start one: manage.py run_switcher." in html
    assert "cannot be made until the problems above are solved" in html
    assert "Switch to first</button>" not in html


def test_what_changes_is_written_as_people_write_it(web: Client) -> None:
    announce_switcher()
    save_profile("first", extra_flags={"seed": 1})
    second = save_profile("second", extra_flags={"seed": 2, "block-size": 16}, gpu_selection=["0", "1"])
    serve("first")

    html = page(web, confirm_path(second))

    for words in ("<td>seed=1</td>", "<td>block-size=16, seed=2</td>", "<td>–</td><td>0, 1</td>"):
        assert words in html


def test_invalid_profile_is_explained(web: Client) -> None:
    (first,) = make_ready("first")
    ModelProfile.objects.filter(pk=first.pk).update(dtype="int3")

    assert "is not valid: dtype" in page(web, confirm_path(first))


@pytest.mark.parametrize(
    "data",
    [
        {"drain_timeout_s": "-1"},
        {"drain_timeout_s": "soon"},
        {"drain_policy": "kill"},
        {"reason": "x" * 501},
        {"max_model_len": "1"},
    ],
)
def test_bad_entries_come_back_to_the_form(web: Client, data: dict[str, str]) -> None:
    (first,) = make_ready("first")

    answer = web.post(confirm_path(first), data)

    assert answer.status_code == 200
    assert not Switch.objects.exists()


def test_bad_context_in_the_address_is_as_good_as_none(web: Client) -> None:
    (first,) = make_ready("first")

    assert "--max-model-len 4096" in page(web, confirm_path(first), max_model_len="x' onload='")
