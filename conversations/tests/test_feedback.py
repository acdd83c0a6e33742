"""Feedback on answers: its owner gives it, administrators read it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import Role, User
from conversations.api import feedback_views
from conversations.api.feedback_views import stream_csv
from conversations.feedback import FeedbackFilter
from conversations.models import Conversation, Feedback, Message
from conversations.tests.rest import add, client_of, error_of
from conversations.tests.trees import path_to, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def answer(mina: User) -> Message:
    conversation = add(mina)
    question = say(conversation, None, "user", "canary question")
    return say(conversation, question, "assistant", "canary answer", model="tiny")


@pytest.fixture
def admin() -> Client:
    return client_of(User.objects.create(username="root", role=Role.ADMIN))


def rate(api: Client, message: Message, **body: Any) -> Any:
    return api.put(f"{path_to(message)}/feedback", body, content_type="application/json")


def rated(owner: User, *, day: int = 1, model: str = "tiny", **columns: Any) -> Feedback:
    """Feedback of a day of November."""
    answer = say(add(owner), None, "assistant", "canary answer", model=model)
    feedback = Feedback.objects.create(message=answer, owner=owner, **{"rating": 1, **columns})
    Feedback.objects.filter(pk=feedback.pk).update(updated_at=datetime(2026, 11, day, 12, tzinfo=UTC))
    return feedback


def ids(content: dict[str, Any]) -> list[str]:
    return [row["message_id"] for row in content["data"]]


def test_feedback_is_given_changed_and_taken_back(api: Client, answer: Message) -> None:
    first = rate(api, answer, rating="up")
    second = rate(api, answer, rating="down", reason="wrong", comment="Not so.")

    stored = Feedback.objects.get()
    assert (first.status_code, first.json()["rating"]) == (200, "up")
    assert second.json() | {"rating": "down", "reason": "wrong", "comment": "Not so."} == second.json()
    assert (stored.message_id, stored.rating, stored.comment) == (answer.pk, -1, "Not so.")

    for _ in range(2):
        assert api.delete(f"{path_to(answer)}/feedback").status_code == 204
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "rating"),
        ({"rating": "sideways"}, "rating"),
        ({"rating": 1}, "rating"),
        ({"rating": "up", "reason": "x" * 51}, "reason"),
        ({"rating": "up", "comment": "x" * 4001}, "comment"),
        ({"rating": "up", "owner": "me"}, "owner"),
    ],
)
def test_bad_feedback_is_refused_by_its_field(
    api: Client, answer: Message, body: dict[str, Any], param: str
) -> None:
    assert error_of(rate(api, answer, **body)) == (400, "invalid_request", param)


def test_only_answers_are_rated(api: Client, answer: Message) -> None:
    assert answer.parent
    response = rate(api, answer.parent, rating="up")

    assert error_of(response) == (400, "invalid_request", "message_id")


def test_feedback_is_no_change_of_the_conversation(api: Client, answer: Message) -> None:
    before = Conversation.objects.values().get()

    rate(api, answer, rating="up")

    assert Conversation.objects.values().get() == before


def test_administrators_read_it_without_what_was_said_or_by_whom(admin: Client, mina: User) -> None:
    feedback = rated(mina, reason="style", comment="Too long.")

    response = admin.get("/api/feedback")

    (row,) = response.json()["data"]
    assert row.keys() == {"message_id", "model", "rating", "reason", "comment", "created_at", "updated_at"}
    assert (row["message_id"], row["model"], row["comment"]) == (str(feedback.pk), "tiny", "Too long.")
    assert b"canary" not in response.content
    assert str(mina.pk).encode() not in response.content


def test_nobody_else_reads_it(api: Client, mina: User) -> None:
    issued = issue_api_key(
        user=User.objects.create(username="root", role=Role.ADMIN),
        name="script",
        scopes=["history"],
        origin=COMMAND,
    )
    by_key = Client(headers={"Authorization": f"Bearer {issued.key}"})

    for client in (api, by_key):
        assert error_of(client.get("/api/feedback", {"format": "csv"}))[:2] == (403, "permission_denied")
    assert Client().get("/api/feedback").status_code == 401


def test_pages_lead_through_all_of_it_the_newest_first(admin: Client, mina: User) -> None:
    made = [rated(mina, day=day) for day in (3, 1, 2, 2, 5)]
    newest_first = sorted(made, key=lambda row: (Feedback.objects.get(pk=row.pk).updated_at, row.pk))[::-1]

    pages = [admin.get("/api/feedback", {"limit": 2}).json()]
    while pages[-1]["has_more"]:
        pages.append(admin.get("/api/feedback", {"limit": 2, "after": pages[-1]["last_id"]}).json())

    assert [id_ for page in pages for id_ in ids(page)] == [str(row.pk) for row in newest_first]


def test_it_is_filtered_by_day_and_model(admin: Client, mina: User) -> None:
    rated(mina, day=1)
    wanted = [rated(mina, day=3), rated(mina, day=2)]
    rated(mina, day=3, model="other")
    rated(mina, day=4)

    found = admin.get("/api/feedback", {"from": "2026-11-02", "to": "2026-11-03", "model": "tiny"}).json()

    assert ids(found) == [str(row.pk) for row in wanted]
    assert error_of(admin.get("/api/feedback", {"from": "yesterday"})) == (400, "invalid_request", "from")


def test_list_takes_as_many_queries_for_many_rows(admin: Client, mina: User) -> None:
    counts = []
    for size in (1, 20):
        for _ in range(size):
            rated(mina)
        with CaptureQueriesContext(connection) as queries:
            admin.get("/api/feedback")
        counts.append(len(queries))

    assert counts[0] == counts[1]


def read_csv(found: FeedbackFilter) -> list[list[str]]:
    async def collect() -> str:
        return "".join([piece async for piece in stream_csv(found)])

    return list(csv.reader(io.StringIO(async_to_sync(collect)())))


def test_csv_holds_every_row_across_its_pieces(mina: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback_views, "PAGE_ROWS", 2)
    made = [rated(mina, day=day, comment='a "quote",\nand a line') for day in (1, 2, 3, 4, 5)]

    head, *rows = read_csv(FeedbackFilter())

    assert head == ["message_id", "model", "rating", "reason", "comment", "created_at", "updated_at"]
    assert [row[0] for row in rows] == [str(feedback.pk) for feedback in reversed(made)]
    assert rows[0][1:5] == ["tiny", "up", "", 'a "quote",\nand a line']


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_csv_holds_no_formulas(mina: User, start: str) -> None:
    rated(mina, comment=f"{start}HYPERLINK('evil')", reason=f"{start}1", model=f"{start}m")

    _head, row = read_csv(FeedbackFilter())

    assert [cell[:2] for cell in (row[1], row[3], row[4])] == [f"'{start}"] * 3


def test_csv_is_a_download_that_is_not_made_before_it_is_read(admin: Client, mina: User) -> None:
    rated(mina)

    response = admin.get("/api/feedback", {"format": "csv"})

    assert response.streaming
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="feedback.csv"'
