"""API keys over REST: issued once, listed without the key, changed, rotated, revoked."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import api_keys, keys
from accounts.keys import is_digest_of, prefix_of
from accounts.models import ApiKey, AuditEvent, User
from accounts.tests.rest import client_of, client_with, code_of
from gateway.conf import get_config

pytestmark = pytest.mark.django_db

MISSING = uuid.UUID("00000000-0000-7000-8000-000000000000")


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina")


@pytest.fixture
def api(mina: User) -> Client:
    return client_of(mina)


@pytest.fixture
def few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(get_config(), max_api_keys=2)
    monkeypatch.setattr(api_keys, "get_config", lambda: config)


def issue(api: Client, **more: object) -> Any:
    body = {"name": "laptop", "scopes": ["history"]} | more
    return api.post("/api/keys", body, content_type="application/json")


def patch(api: Client, key_id: object, **changes: object) -> Any:
    return api.patch(f"/api/keys/{key_id}", changes, content_type="application/json")


def rotate(api: Client, key_id: object, **more: object) -> Any:
    return api.post(f"/api/keys/{key_id}/rotate", more, content_type="application/json")


def history(key: str) -> Any:
    return client_with(key).get("/api/conversations")


def test_key_is_shown_once_and_works(api: Client) -> None:
    response = issue(api, models=["small"])

    content = response.json()
    assert response.status_code == 201
    assert response.headers["Cache-Control"] == "no-store"
    assert content["key"].startswith(content["prefix"])
    assert (content["name"], content["scopes"], content["models"]) == ("laptop", ["history"], ["small"])
    assert history(content["key"]).status_code == 200
    assert "key" not in api.get("/api/keys").json()["data"][0]


def test_only_a_keyed_hash_is_stored(api: Client) -> None:
    key = issue(api).json()["key"]

    stored = ApiKey.objects.values().get()
    assert is_digest_of(key, stored["digest"])
    assert not [value for value in stored.values() if key[15:] in str(value)]
    assert key[15:] not in str(AuditEvent.objects.values().get())


def test_key_with_a_known_prefix_and_another_secret_is_refused(api: Client) -> None:
    prefix = issue(api).json()["prefix"]
    body = f"{prefix}-{'a' * 36}"
    forged = body + keys._check_of(body)
    assert prefix_of(forged) == prefix.rpartition("-")[2]

    assert code_of(history(forged)) == (401, "invalid_api_key")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "scopes.0"),
        ({"scopes": "chat"}, "scopes"),
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"models": [""]}, "models.0"),
        ({"models": ["m"] * 51}, "models"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "soon"}, "expires_at"),
        ({"user": str(MISSING)}, "user"),
        ({"prefix": "abcdefgh"}, "prefix"),
        ({"digest": "x"}, "digest"),
        ({"key": "sk-mine"}, "key"),
        ({"revoked_at": None}, "revoked_at"),
    ],
)
def test_malformed_or_surplus_field_is_refused(api: Client, body: dict[str, object], param: str) -> None:
    response = issue(api, **body)

    assert response.status_code == 400
    assert response.json()["error"]["param"].startswith(param)
    assert not ApiKey.objects.exists()


def test_name_scopes_models_and_expiry_can_be_changed(api: Client) -> None:
    issued = issue(api).json()
    end = timezone.now() + timedelta(days=1)

    content = patch(
        api,
        issued["id"],
        name="server",
        scopes=["chat", "models:read"],
        models=["large"],
        expires_at=end.isoformat(),
    ).json()

    assert (content["name"], content["scopes"], content["models"]) == (
        "server",
        ["chat", "models:read"],
        ["large"],
    )
    assert code_of(history(issued["key"])) == (403, "permission_denied")
    assert patch(api, issued["id"], expires_at=None).json()["expires_at"] is None


@pytest.mark.parametrize("field", ["digest", "prefix", "user", "last_used_at", "allowed_models", "key"])
def test_other_fields_cannot_be_changed(api: Client, field: str) -> None:
    issued = issue(api).json()
    before = ApiKey.objects.values().get()

    response = patch(api, issued["id"], **{field: "x"})

    assert (response.status_code, response.json()["error"]["param"]) == (400, field)
    assert ApiKey.objects.values().get() == before


def test_revoked_key_is_refused_and_cannot_be_revived(api: Client) -> None:
    issued = issue(api).json()

    response = api.delete(f"/api/keys/{issued['id']}")

    assert response.status_code == 204
    assert code_of(history(issued["key"])) == (401, "token_revoked")
    assert patch(api, issued["id"], expires_at=None).status_code == 400
    assert rotate(api, issued["id"]).status_code == 400
    assert api.delete(f"/api/keys/{issued['id']}").status_code == 204


def test_expired_key_is_refused_as_expired(api: Client) -> None:
    issued = issue(api).json()
    ApiKey.objects.update(expires_at=timezone.now())

    assert code_of(history(issued["key"])) == (401, "token_expired")


def test_deactivated_account_has_no_working_key(api: Client, mina: User) -> None:
    issued = issue(api).json()
    User.objects.update(is_active=False)

    assert code_of(history(issued["key"])) == (401, "token_revoked")


def test_rotated_key_works_until_its_overlap_ends(api: Client) -> None:
    old = issue(api, models=["small"]).json()

    new = rotate(api, old["id"], overlap_s=3600).json()

    assert (new["name"], new["scopes"], new["models"]) == ("laptop", ["history"], ["small"])
    assert [history(k["key"]).status_code for k in (old, new)] == [200, 200]
    ApiKey.objects.filter(pk=old["id"]).update(overlap_until=timezone.now())
    assert [history(k["key"]).status_code for k in (old, new)] == [401, 200]


def test_rotation_without_overlap_ends_the_old_key_at_once(api: Client) -> None:
    old = issue(api).json()

    new = rotate(api, old["id"], overlap_s=0).json()

    assert [history(k["key"]).status_code for k in (old, new)] == [401, 200]


def test_overlap_is_a_day_by_default_and_thirty_days_at_most(api: Client) -> None:
    old = issue(api).json()

    assert rotate(api, old["id"], overlap_s=30 * 24 * 3600 + 1).status_code == 400
    assert rotate(api, old["id"], overlap_s=-1).status_code == 400
    rotate(api, old["id"])

    row = ApiKey.objects.get(pk=old["id"])
    assert row.overlap_until is not None
    assert timedelta(hours=23) < row.overlap_until - timezone.now() <= timedelta(hours=24)


def test_key_is_rotated_once(api: Client) -> None:
    old = issue(api).json()
    rotate(api, old["id"])

    assert rotate(api, old["id"]).status_code == 400
    assert ApiKey.objects.count() == 2


@pytest.mark.usefixtures("few_keys")
def test_number_of_working_keys_is_bounded(api: Client) -> None:
    issued = [issue(api) for _ in range(3)]
    assert [r.status_code for r in issued] == [201, 201, 400]

    rotations = [rotate(api, r.json()["id"]).status_code for r in issued[:2]]
    newest = ApiKey.objects.filter(replaced_by=None).latest("created_at")
    third = rotate(api, newest.pk)
    api.delete(f"/api/keys/{newest.pk}")

    assert (rotations, third.status_code) == ([201, 201], 400)
    assert issue(api).status_code == 201


def test_key_of_somebody_else_looks_like_a_missing_one(api: Client) -> None:
    foreign = issue(client_of(User.objects.create(username="other"))).json()

    for call in (
        lambda key_id: api.delete(f"/api/keys/{key_id}"),
        lambda key_id: patch(api, key_id, name="mine"),
        lambda key_id: rotate(api, key_id),
    ):
        theirs, missing = call(foreign["id"]), call(MISSING)
        assert (theirs.status_code, theirs.content) == (404, missing.content)
    assert history(foreign["key"]).status_code == 200
    assert api.get("/api/keys").json() == {"object": "list", "data": []}


def test_first_use_is_noted(api: Client) -> None:
    issued = issue(api).json()
    assert issued["last_used_at"] is None

    history(issued["key"])

    assert api.get("/api/keys").json()["data"][0]["last_used_at"] is not None


def test_every_change_of_a_key_is_on_record(api: Client) -> None:
    first = issue(api).json()
    patch(api, first["id"], name="server")
    second = rotate(api, first["id"]).json()
    api.delete(f"/api/keys/{second['id']}")

    events = AuditEvent.objects.order_by("at").values_list("action", "actor_name", "via")
    assert list(events) == [
        (action, "mina", "rest") for action in ("key_issued", "key_changed", "key_rotated", "key_revoked")
    ]
