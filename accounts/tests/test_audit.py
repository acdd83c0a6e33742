"""The audit trail."""

from __future__ import annotations

import os
import pwd
from datetime import timedelta

import pytest
from django.test import Client, RequestFactory
from django.utils import timezone, translation

from accounts.api_keys import issue_api_key, prune_keys
from accounts.audit import record_audit
from accounts.change_origin import COMMAND, SYSTEM, origin_of, plain_text
from accounts.models import ApiKey, AuditEvent, Limit, Session, User, Via
from accounts.sessions import end_sessions
from gateway.request_id import current_request_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def mina() -> User:
    return User.objects.create(username="mina")


def test_event_says_who_what_when_and_from_where(mina: User) -> None:
    root = User.objects.create(username="root", role="admin")
    token = current_request_id.set("request-1")
    request = RequestFactory().get("/", REMOTE_ADDR="2001:db8::1")

    record_audit(
        origin=origin_of(request, via=Via.ADMIN, actor=root),
        action="limit_changed",
        target=mina,
        changes={"requests": [60, 10]},
    )

    current_request_id.reset(token)
    event = AuditEvent.objects.get()
    assert (event.actor_id, event.actor_name, event.via) == (root.pk, "root", "admin")
    assert (event.target_type, event.target_id, event.target_label) == ("user", str(mina.pk), "mina")
    assert (event.address, event.request_id, event.changes) == (
        "2001:db8::1",
        "request-1",
        {"requests": [60, 10]},
    )


def test_event_names_its_target_in_english_whoever_acts(mina: User) -> None:
    limit = Limit.objects.create(subject="user", user=mina, kind="streams", value=2)

    with translation.override("ko"):
        labels = [
            record_audit(origin=COMMAND, action="x", target=target).target_label for target in (User, limit)
        ]

    assert labels == ["users", "Answers at a time of mina: 2"]


@pytest.mark.parametrize("field", ["password", "digest", "key", "token"])
def test_secrets_are_not_for_the_trail(mina: User, field: str) -> None:
    with pytest.raises(ValueError, match=field):
        record_audit(origin=COMMAND, action="x", target=mina, changes={field: ["a", "b"]})


def test_event_outlives_whom_it_is_about(mina: User) -> None:
    end_sessions([mina], reason=Session.EndReason.ADMIN, origin=COMMAND)

    mina.delete()

    assert AuditEvent.objects.get().target_label == "mina"


def test_event_is_undone_with_its_change(mina: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_user_ids: object) -> None:
        raise ConnectionError

    monkeypatch.setattr("accounts.stamps._announce", fail)

    with pytest.raises(ConnectionError):
        end_sessions([mina], reason=Session.EndReason.ADMIN, origin=COMMAND)

    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(("address", "kept"), [("", None), ("unix:", None), ("192.0.2.1", "192.0.2.1")])
def test_peer_without_an_address_has_none(address: str, kept: str | None) -> None:
    request = RequestFactory().get("/", REMOTE_ADDR=address)

    assert origin_of(request, via=Via.REST).address == kept


def test_client_name_is_made_harmless() -> None:
    assert plain_text("curl/8\x00\x1b[2J\r\n\ud800 김", 20) == "curl/8[2J 김"


def test_command_is_on_record_with_who_ran_it(mina: User) -> None:
    end_sessions([mina], reason=Session.EndReason.ADMIN, origin=COMMAND)

    assert AuditEvent.objects.get().actor_name == pwd.getpwuid(os.getuid()).pw_name


def test_user_without_a_name_is_on_record_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)

    assert COMMAND.actor_name == f"uid {2**31 - 7}"


def test_limits_that_go_with_their_account_are_on_record(mina: User) -> None:
    root = User.objects.create(username="root", role="admin")
    key = issue_api_key(user=mina, name="k", scopes=["chat"], origin=SYSTEM).row
    for subject in ({"subject": "user", "user": mina}, {"subject": "key", "api_key": key}):
        Limit.objects.create(kind="streams", value=1, **subject)
    Limit.objects.create(kind="streams", value=1, subject="user", user=root)
    browser = Client()
    browser.force_login(root)

    browser.post(f"/admin/accounts/user/{mina.pk}/delete/", {"post": "yes"})

    by_root = AuditEvent.objects.filter(actor_name="root").order_by("at")
    assert [event.action for event in by_root] == ["limit_deleted", "limit_deleted", "user_deleted"]
    assert Limit.objects.get().user == root


def test_limits_that_go_with_a_pruned_key_are_on_record(mina: User) -> None:
    key = issue_api_key(user=mina, name="k", scopes=["chat"], origin=SYSTEM).row
    Limit.objects.create(kind="streams", value=1, subject="key", api_key=key)
    ApiKey.objects.update(revoked_at=timezone.now() - timedelta(days=2))

    prune_keys(older_than=timedelta(days=1), is_dry_run=True)
    pruned = prune_keys(older_than=timedelta(days=1), is_dry_run=False)

    event = AuditEvent.objects.get(action="limit_deleted")
    assert (pruned, event.via, Limit.objects.count()) == (1, "command", 0)
