"""Pages of rows in the admin are in the reader's language, with the name of the row and why it ended."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Limit, Role, Session, User
from conversations.models import Conversation, Feedback, RetentionRule, SharedLink
from gateway.tests.admin_rows import add_row_of_each
from gateway.wording import fill_in
from modelops.models import Engine, HardwareSample
from modelops.switcher.ledger import ended

pytestmark = pytest.mark.django_db


@pytest.fixture
def web() -> Client:
    client = Client(headers={"accept-language": "ko"})
    client.force_login(User.objects.create(username="root", role=Role.ADMIN, may_view_texts=True))
    add_row_of_each(0)
    return client


def read_page(web: Client, row: object) -> str:
    meta = row._meta  # type: ignore[attr-defined]
    path = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])  # type: ignore[attr-defined]
    page = web.get(path)
    assert page.status_code == 200, path
    return page.content.decode()


def test_names_of_rows_are_in_the_readers_language(web: Client) -> None:
    Session.objects.update(user_agent="")
    names = {
        Session: "알 수 없는 클라이언트",
        Conversation: "대화 ",
        Feedback: "메시지의 피드백",
        RetentionRule: "user: 30일",
        SharedLink: "공유 링크 ",
        HardwareSample: "box 서버의 GPU",
    }

    for model, name in names.items():
        html = read_page(web, model._default_manager.all()[0])
        heading = html.partition("<h2>")[2].partition("</h2>")[0]
        breadcrumbs = html.partition('<div class="breadcrumbs">')[2].partition("</div>")[0]
        assert name in heading, model
        assert heading.strip() in breadcrumbs, model


def test_limits_say_whom_and_how_much_in_the_readers_language(web: Client) -> None:
    Limit.objects.create(subject="default", kind="requests", value=100, window_s=60)

    html = web.get(reverse("admin:accounts_limit_changelist")).content.decode()

    assert "모든 사용자" in html
    assert "60초에 100" in html


def test_engine_says_why_it_ended_in_the_readers_language(web: Client) -> None:
    engine = Engine.objects.get()
    Engine.objects.update(
        **ended(fill_in("made room for {profile}", profile="large")), phase_seconds={"boot": 1.5}
    )

    html = read_page(web, engine)
    engine.refresh_from_db()

    assert engine.end_reason == "made room for large"
    assert "large 모델에 자리를 내주었습니다" in html
    assert "예상값" in html and "실제값" in html
    assert "1.5 s" in html


def test_engine_that_ended_under_an_older_version_keeps_its_words(web: Client) -> None:
    Engine.objects.update(end_reason="removed by hand", end_texts=None)

    assert "removed by hand" in read_page(web, Engine.objects.get())


def test_event_of_the_audit_is_told_in_words_with_each_change(web: Client) -> None:
    event = AuditEvent.objects.create(
        action="user_changed",
        target_type="user",
        target_id="1",
        target_label="mina",
        actor_name="root",
        via="admin",
        changes={"role": ["user", "admin"], "of_nobody": [None, 3], "scopes": [[], ["chat", "audit"]]},
    )

    html = read_page(web, event)

    assert "역할 user → admin" in html
    assert "of_nobody – → 3" in html
    assert "scopes – → chat, audit" in html
    assert "user_changed" not in html


def test_event_about_all_rows_of_a_kind_names_the_kind_in_the_readers_language(web: Client) -> None:
    AuditEvent.objects.create(
        action="message_list_viewed", target_type="message", target_label="messages", via="admin"
    )

    html = web.get(reverse("admin:accounts_auditevent_changelist")).content.decode()

    assert '<td class="field-target">메시지</td>' in html
