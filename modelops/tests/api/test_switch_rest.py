"""`/api/models/status|switch|switches|engines`: who may read and change what, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework import serializers

from accounts.api_keys import issue_api_key
from accounts.change_origin import SYSTEM
from accounts.models import User
from modelops.api.plan_serializers import LastErrorSerializer, PlanSerializer
from modelops.api.status_serializers import StatusSerializer
from modelops.api.switch_serializers import (
    AcceptedSwitchSerializer,
    EngineSerializer,
    PlanAnswerSerializer,
    SwitchDetailSerializer,
    SwitchSerializer,
)
from modelops.models import Slot, Switch
from modelops.tests.callers import post
from modelops.tests.fit_rows import record, save_large
from modelops.tests.switch_rows import (
    announce_switcher,
    ask,
    fail,
    make_ready,
    serve,
)

pytestmark = pytest.mark.django_db

STATUS = "/api/models/status"
SWITCH = "/api/models/switch"
SWITCHES = "/api/models/switches"
ENGINES = "/api/models/engines"


def names(kind: type[serializers.Serializer[Any]]) -> set[str]:
    return set(kind().get_fields())


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("get", STATUS, (200, 200, 200)),
        ("get", SWITCHES, (401, 200, 200)),
        ("get", "{switch}", (401, 200, 200)),
        ("get", ENGINES, (401, 200, 200)),
        ("post", SWITCH, (401, 403, 202)),
        ("post", "{switch}/cancel", (401, 403, 202)),
        ("post", STATUS, (405, 405, 405)),
        ("put", SWITCH, (401, 403, 405)),
        ("get", SWITCH, (401, 403, 405)),
        ("delete", "{switch}", (401, 405, 405)),
        ("get", "{switch}/cancel", (401, 403, 405)),
    ],
)
def test_roles(user: Client, admin: Client, method: str, path: str, expected: tuple[int, int, int]) -> None:
    make_ready("first", "second")
    switch = ask("first")
    path = path.format(switch=f"{SWITCHES}/{switch.id}")
    content = {"profile_id": "second"} if path == SWITCH else {}

    got = []
    for client in (Client(), user, admin):
        before = list(Switch.objects.values_list("pk", "state", "cancel_requested_at"))
        call = getattr(client, method)
        answer = call(path) if method == "get" else call(path, content, content_type="application/json")
        got.append(answer.status_code)
        if answer.status_code >= 400:
            assert list(Switch.objects.values_list("pk", "state", "cancel_requested_at")) == before

    assert tuple(got) == expected


def test_bare_curl_is_told_state_and_profile_and_nothing_else(user: Client) -> None:
    make_ready("first")
    serve("first")
    narrow = issue_api_key(
        user=User.objects.get(username="mina"), name="chat", scopes=["chat"], origin=SYSTEM
    )
    client = Client(headers={"Authorization": f"Bearer {narrow.key}"})

    for stranger in (Client(), client):
        answer = stranger.get(STATUS)
        assert (answer.status_code, answer.json()) == (200, {"state": "ready", "current_profile": "first"})


def test_bad_token_is_refused_rather_than_taken_for_nobody() -> None:
    answer = Client(headers={"Authorization": "Bearer nonsense"}).get(STATUS)

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")


def test_answers_have_the_documented_fields(user: Client, admin: Client) -> None:
    make_ready("first", "second")
    serve("first")
    failed = fail(ask("second"))

    for client in (user, admin):
        status = client.get(STATUS).json()
        assert set(status) == names(StatusSerializer)
        assert set(status["slots"][0]) == names(StatusSerializer) - {"hardware", "switcher", "slots"} | {
            "slot"
        }
        assert set(status["last_error"]) == names(LastErrorSerializer)
        listed = client.get(SWITCHES).json()["data"][0]
        assert set(listed) == names(SwitchSerializer)
        detail = client.get(f"{SWITCHES}/{failed.id}").json()
        assert set(detail) == names(SwitchDetailSerializer)
        assert set(detail["plan"]) == names(PlanSerializer)
        assert set(client.get(ENGINES).json()["engines"][0]) == names(EngineSerializer)
    accepted = post(admin, SWITCH, {"profile_id": "second"}).json()
    assert set(accepted) == names(AcceptedSwitchSerializer)
    tried = post(admin, SWITCH, {"profile_id": "first", "dry_run": True}).json()
    assert (set(tried), set(tried["plan"])) == (names(PlanAnswerSerializer), names(PlanSerializer))


def test_admin_switches_and_repeating_joins(admin: Client) -> None:
    make_ready("first")

    first = post(admin, SWITCH, {"profile_id": "first", "reason": "new week", "drain_timeout_s": 5})
    second = post(admin, SWITCH, {"profile_id": "first"})

    content = first.json()
    switch = Switch.objects.get()
    assert (first.status_code, second.status_code) == (202, 202)
    assert (content["joined"], second.json()["joined"]) == (False, True)
    assert content["id"] == second.json()["id"] == str(switch.id)
    assert (content["state"], content["actor"], content["via"]) == ("requested", "boss", "api")
    assert (switch.reason, switch.drain_timeout_s, switch.actor) == (
        "new week",
        5,
        User.objects.get(username="boss"),
    )
    assert admin.get(content["links"]["self"]).json()["id"] == content["id"]
    assert content["links"]["events"] == f"/api/models/events?switch={content['id']}"
    assert post(admin, content["links"]["cancel"]).json()["state"] == "cancelled"


def test_what_is_active_already_is_said_with_200(admin: Client) -> None:
    make_ready("first")
    serve("first")

    answer = post(admin, SWITCH, {"profile_id": "first"})

    assert (answer.status_code, answer.json()["already_active"]) == (200, True)
    assert not Switch.objects.exists()


def test_dry_run_shows_plan_and_diff_and_changes_nothing(admin: Client) -> None:
    make_ready("first", "second")
    serve("first")
    Slot.objects.update(epoch=5)

    answer = post(admin, SWITCH, {"profile_id": "second", "dry_run": True})

    content = answer.json()
    assert (answer.status_code, content["dry_run"], content["already_active"]) == (200, True, False)
    assert (content["plan"]["accepted"], content["plan"]["from_profile"]) == (True, "first")
    assert not Switch.objects.exists()
    assert Slot.objects.get().epoch == 5


def test_dry_run_of_what_does_not_fit_is_an_answer_and_the_switch_a_refusal(admin: Client) -> None:
    save_large()
    announce_switcher()
    record()

    tried = post(admin, SWITCH, {"profile_id": "large", "dry_run": True})
    refused = post(admin, SWITCH, {"profile_id": "large"})

    content = refused.json()
    assert (tried.status_code, tried.json()["plan"]["accepted"]) == (200, False)
    assert (refused.status_code, refused["x-should-retry"]) == (409, "false")
    assert (content["error"]["code"], content["error"]["param"]) == ("does_not_fit", "profile_id")
    assert content["plan"] == tried.json()["plan"]
    assert content["plan"]["fit"]["verdict"] == "does_not_fit"
    assert not Switch.objects.exists()


def test_force_takes_away_the_fit_alone_and_is_recorded(admin: Client) -> None:
    save_large()
    announce_switcher()
    record()

    forced = post(admin, SWITCH, {"profile_id": "large", "force": True})
    announce_switcher(age_s=3600)
    refused = post(admin, SWITCH, {"profile_id": "large", "force": True, "slot": "default"})

    assert (forced.status_code, forced.json()["force"]) == (202, True)
    assert forced.json()["plan"]["forced"] is True
    assert refused.status_code == 202, "it joins what was asked for before"
    Switch.objects.all().delete()
    assert (
        post(admin, SWITCH, {"profile_id": "large", "force": True}).json()["error"]["code"]
        == "switch_refused"
    )


@pytest.mark.parametrize(
    ("content", "status", "code", "param"),
    [
        ({}, 400, "invalid_request", "profile_id"),
        ({"profile_id": "none"}, 404, "model_not_found", "profile_id"),
        ({"profile_id": "none", "dry_run": True}, 404, "model_not_found", "profile_id"),
        ({"profile_id": "first", "slot": "none"}, 404, "not_found", "slot"),
        ({"profile_id": "first", "dryrun": True}, 400, "invalid_request", "dryrun"),
        ({"profile_id": "first", "force": "perhaps"}, 400, "invalid_request", "force"),
        ({"profile_id": "first", "reason": "x" * 501}, 400, "invalid_request", "reason"),
        ({"profile_id": "first", "drain_timeout_s": -1}, 400, "invalid_request", "drain_timeout_s"),
        ({"profile_id": "first", "drain_timeout_s": 86401}, 400, "invalid_request", "drain_timeout_s"),
        ({"profile_id": "first", "drain_policy": "kill"}, 400, "invalid_request", "drain_policy"),
        ({"profile_id": ["first"]}, 400, "invalid_request", "profile_id"),
        ([], 400, "invalid_request", None),
    ],
)
def test_bad_requests_are_named(
    admin: Client, content: Any, status: int, code: str, param: str | None
) -> None:
    make_ready("first")

    answer = post(admin, SWITCH, content)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)
    assert not Switch.objects.exists()
