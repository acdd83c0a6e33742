"""`manage.py prune` and `run_maintenance`: what is kept no longer is removed daily, in small steps."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session as CookieSession
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection
from django.utils import timezone

from accounts import pruning as account_pruning
from accounts.audit_words import list_changes
from accounts.models import ApiKey, AuditEvent, DailyUsage, Limit, Session, User, Via
from conversations.models import Conversation, RetentionRule, StoredFile, StoredResponse
from conversations.tests.trees import chain
from gateway.conf import get_config
from gateway.database import pruning as batches
from gateway.doctor.findings import VantagePoint
from gateway.doctor.maintenance_checks import check_maintenance
from gateway.ids import new_id
from gateway.maintenance import daily, pruning
from gateway.maintenance.daily import PERIOD_S, RETRY_S, maintain, run_daily
from gateway.maintenance.pruning import prune, read_last_run
from gateway.stop_signal import catch_stop_signal
from gateway.tests.admin_rows import add_row_of_each
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, Preload, Slot, Switch
from modelops.switching import pruning as switch_pruning
from modelops.tests.serving.slot_rows import make_engine, make_switch

pytestmark = pytest.mark.django_db

NOW = timezone.now()


def ago(days: float) -> Any:
    return NOW - timedelta(days=days)


@pytest.fixture(autouse=True)
def file_folder(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path / "files"


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST_ROWS", 2)
    monkeypatch.setattr(switch_pruning, "KEPT_SWITCHES", 1)
    monkeypatch.setattr(switch_pruning, "KEPT_STARTS", 1)


@pytest.fixture
def old_and_new(small_batches: None) -> User:
    """Three rows of everything that are due, and one of everything that is not."""
    add_row_of_each(0)
    owner = User.objects.get()
    age_accounts(owner)
    age_conversations(owner)
    slot = Slot.objects.get()
    for number in range(4):
        engine = make_engine(slot, "old")
        Engine.objects.filter(pk=engine.pk).update(
            ready_at=ago(900 - number), created_at=ago(900 - number), ended_at=ago(900 - number)
        )
        switch = make_switch(slot, engine, "old", SwitchState.ACTIVE, ended_at=ago(900), new_engine=engine)
        Switch.objects.filter(pk=switch.pk).update(created_at=ago(900))
        Preload.objects.create(
            slot=slot, profile=f"p{number}", state="done", ended_at=ago(900 if number else 1)
        )
    return owner


def age_accounts(owner: User) -> None:
    key = ApiKey.objects.get()
    for number in range(3):
        ended = ApiKey.objects.create(
            user=owner, name="old", prefix=f"old{number}", digest=f"{number:064}", revoked_at=ago(40)
        )
        Limit.objects.create(subject="key", api_key=ended, kind="streams", value=1)
        session = Session.objects.get(revoked_at=None)
        session.pk = new_id()
        session.revoked_at, session.revoked_reason = ago(40), Session.EndReason.LOGOUT
        session.save(force_insert=True)
        CookieSession.objects.create(session_key=f"{number:032}", session_data="", expire_date=ago(1))
        DailyUsage.objects.create(user=owner, day=ago(800).date(), model=str(number), key_id=key.pk)
        AuditEvent.objects.create(at=ago(800), via=Via.SYSTEM, action="x", target_type="x", target_id="x")
    AuditEvent.objects.create(
        at=ago(800), last_at=ago(1), via=Via.SYSTEM, action="repeated", target_type="x", target_id="x"
    )
    CookieSession.objects.create(session_key="a" * 32, session_data="", expire_date=NOW + timedelta(days=1))


def age_conversations(owner: User) -> None:
    RetentionRule.objects.all().delete()
    for number in range(3):
        old, _ = chain(owner, 4)
        Conversation.objects.filter(pk=old.pk).update(deleted_at=ago(40))
        StoredResponse.objects.create(
            owner=owner, thread_id=owner.pk, input="[]", answer="{}", expires_at=ago(1)
        )
        file = StoredFile.objects.create(
            owner=owner, sha256=f"old{number}", kind="image", size_bytes=5, used_at=ago(40)
        )
        default_storage.save(file.storage_name, ContentFile(b"bytes"))


def count_rows() -> dict[str, int]:
    return {model._meta.label: model._default_manager.count() for model in apps.get_models()}


def counts_of(figures: Any) -> Counter[str]:
    counts: Counter[str] = Counter()
    for figure in figures:
        counts[figure.name] += figure.count
    return counts


def test_dry_run_says_what_a_run_removes_and_changes_nothing(old_and_new: User) -> None:
    before = count_rows()

    announced = prune(NOW, is_dry_run=True)
    after_dry_run = count_rows()
    removed = prune(NOW, is_dry_run=False)

    assert after_dry_run == before
    assert (announced.figures, announced.failures) == (removed.figures, {})
    after = count_rows()
    counts = counts_of(removed.figures)
    assert counts == {
        **{"conversations": 3, "messages": 12, "files": 3, "file_bytes": 15, "responses": 3},
        **{"sessions": 3, "api_keys": 3, "cookies": 3, "usage": 3, "audit": 3},
        **{"switches": 4, "engines": 3, "preloads": 3, "lost_files": 0},
    }
    gone = {label: before[label] - after[label] for label in before if before[label] > after[label]}
    assert gone == {
        **{"conversations.Conversation": 3, "conversations.Message": 12, "conversations.StoredFile": 3},
        **{"conversations.StoredResponse": 3, "accounts.ApiKey": 3, "accounts.Limit": 3},
        **{"accounts.Session": 3, "sessions.Session": 3, "accounts.DailyUsage": 3},
        **{"modelops.Switch": 4, "modelops.Engine": 3, "modelops.Preload": 3},
    }
    assert AuditEvent.objects.filter(action="repeated").exists()
    assert sum(counts_of(prune(NOW, is_dry_run=True).figures).values()) == 0


def test_run_is_on_record_and_printed(old_and_new: User, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("prune", "--dry-run")
    announced = capsys.readouterr().out
    assert read_last_run() is None

    call_command("prune")

    printed = capsys.readouterr().out
    assert announced.splitlines()[1:] == printed.splitlines()[1:]
    assert "  Switches that ended more than 365 days ago: 4\n" in printed
    last = read_last_run()
    assert last is not None
    assert (last.figures["switches"], last.figures["audit"], last.failed_parts) == (4, 3, [])
    shown = dict(list_changes(AuditEvent.objects.get(action=pruning.ACTION)))
    assert (shown["switches"], "lost_files" in shown) == ("4", False)


def test_days_of_zero_keep_everything(old_and_new: User, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(get_config(), audit_days=0, usage_days=0, switch_days=0)
    for module in (account_pruning, switch_pruning):
        monkeypatch.setattr(module, "get_config", lambda: config)

    names = counts_of(prune(NOW, is_dry_run=True).figures).keys()

    assert names.isdisjoint({"audit", "usage", "switches", "engines"})


def test_part_that_fails_is_told_and_keeps_no_other_from_being_done(
    old_and_new: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object, **_options: object) -> Any:
        raise DatabaseError("no space left on device")

    monkeypatch.setattr(pruning, "purge", fail)

    with pytest.raises(CommandError, match="Not done: conversations: no space left on device"):
        call_command("prune")

    last = read_last_run()
    assert last is not None
    assert (last.failed_parts, last.figures["switches"]) == (["conversations"], 4)
    assert maintain(last.at + timedelta(seconds=1)) == RETRY_S - 1


def test_maintenance_runs_when_the_last_run_was_a_day_ago(old_and_new: User) -> None:
    with catch_stop_signal() as stop:
        stop.is_set = True
        run_daily(stop)
    first = read_last_run()
    assert first is not None

    waits = [maintain(first.at + timedelta(seconds=seconds)) for seconds in (60, PERIOD_S)]

    assert waits == [PERIOD_S - 60, PERIOD_S]
    assert AuditEvent.objects.filter(action=pruning.ACTION).count() == 2


def test_maintenance_outlasts_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Any:
        raise DatabaseError("gone")

    monkeypatch.setattr(daily, "read_last_run", fail)

    assert maintain(NOW) == RETRY_S


@contextmanager
def pruning_elsewhere() -> Iterator[None]:
    """Within the context another thread, with a connection of its own, has a run under way."""
    has_begun, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with pruning._alone():
            has_begun.set()
            may_end.wait()
        connection.close()

    other = threading.Thread(target=hold)
    other.start()
    has_begun.wait()
    try:
        yield
    finally:
        may_end.set()
        other.join()


@pytest.mark.django_db(transaction=True)
def test_one_run_goes_on_at_a_time() -> None:
    with pruning_elsewhere(), pytest.raises(CommandError, match="Another run goes on"):
        call_command("prune")

    call_command("prune")
    assert read_last_run() is not None


def test_doctor_says_whether_it_runs_daily() -> None:
    def verdict() -> tuple[str, str]:
        [finding] = check_maintenance(VantagePoint(config=get_config()))
        return finding.verdict, str(finding.message)

    def move_run(**columns: Any) -> None:
        AuditEvent.objects.filter(action=pruning.ACTION).update(**columns)

    before = verdict()
    prune(NOW, is_dry_run=False)
    after = verdict()
    move_run(at=ago(3))
    late = verdict()
    move_run(at=NOW, changes={"failed": "conversations, accounts"})
    failed = verdict()

    assert [kind for kind, _ in (before, after, late, failed)] == ["note", "ok", "problem", "problem"]
    assert "ran last" in after[1]
    assert "is to run daily" in late[1]
    assert failed[1].endswith(": conversations, accounts.")
