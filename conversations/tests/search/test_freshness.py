"""What is stored when a search begins is found by it, however it came there; what is gone is not."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from conversations.models import Conversation, Message, MessageEntry, SearchMark, TitleEntry
from conversations.replies import ReplyOutcome, Sweep, close_replies, sweep_orphans
from conversations.search import refreshing
from conversations.search.refreshing import index_account, refresh
from conversations.search.store import TERMS_TABLE
from conversations.tests.rest import add
from conversations.tests.search.searches import found_texts, say_alone, search_for
from conversations.tests.test_answers_again import again
from conversations.tests.trees import path_to, say, start_streaming
from conversations.tests.turn_items import begin, close, turn_of
from conversations.titles import FoundTitle, store_titles
from gateway.database.rows import is_postgresql
from gateway.ids import first_id_at, new_id

pytestmark = pytest.mark.django_db

LATER = timedelta(minutes=5)


def id_of(hours_ago: int) -> uuid.UUID:
    """An id that was made then."""
    then = first_id_at(timezone.now() - timedelta(hours=hours_ago))
    return uuid.UUID(int=then.int | new_id().int & (1 << 80) - 1)


def old_answer(owner: User, content: str) -> Message:
    """An answer of three hours ago that was cut."""
    conversation = add(owner)
    asked = say(conversation, None, "user", "question", id=id_of(3))
    return say(conversation, asked, "assistant", content, id=id_of(3), status="cancelled")


def count_terms() -> int:
    with connection.cursor() as cursor:
        table = f"{MessageEntry._meta.db_table}" if is_postgresql() else TERMS_TABLE
        cursor.execute(f"SELECT COUNT(*) FROM {table}")  # noqa: S608 - our own names
        (count,) = cursor.fetchone()
    return int(count)


def test_turn_is_found_as_soon_as_it_is_stored(api: Client, mina: User) -> None:
    first = begin(turn_of(mina, "전기요금 질문"))
    close(first, "답변입니다")
    assert len(search_for(api, "답변")["data"]) == 1

    second = begin(turn_of(mina, "다른 질문", conversation_id=first.conversation_id))
    close(second, "또 다른 답변")

    assert len(search_for(api, "답변")["data"]) == 2
    assert search_for(api, "전기요금")["incomplete"] is False


def test_answer_that_ran_during_a_search_is_found_after_its_end(api: Client, mina: User) -> None:
    turn = begin(turn_of(mina, "question"))
    assert found_texts(api, "ending") == []
    refresh(mina.id, timezone.now() + LATER)
    say_alone(mina, "between")

    close(turn, "the ending")

    assert found_texts(api, "ending") == ["the ending"]
    assert found_texts(api, "between") == ["between"]


def test_old_answer_that_goes_on_is_found_by_what_it_gained(api: Client, mina: User) -> None:
    answer = old_answer(mina, "first half")
    assert found_texts(api, "half") == ["first half"]
    turn = turn_of(mina, conversation_id=answer.conversation_id)
    turn = again(mina, turn, continues=answer.pk)  # type: ignore[arg-type]

    went_on = begin(turn)
    assert found_texts(api, "second") == []
    refresh(mina.id, timezone.now() + LATER)
    close(went_on, "first half, second half")

    assert found_texts(api, "second") == ["first half, second half"]
    assert found_texts(api, "first") == ["first half, second half"]


def test_end_that_arrives_after_the_answer_was_given_up_is_found(api: Client, mina: User) -> None:
    answer = start_streaming(add(mina), None)
    sweep_orphans([Sweep(everything=True)])
    refresh(mina.id, timezone.now() + LATER)

    close_replies([ReplyOutcome(message_id=answer.pk, status="complete", content="late end")])  # type: ignore[arg-type]

    assert found_texts(api, "late") == ["late end"]


def test_edit_is_found_beside_what_it_replaces(api: Client, mina: User) -> None:
    message = say_alone(mina, "original wording")
    assert found_texts(api, "wording") == ["original wording"]

    api.patch(path_to(message), {"content": "edited wording"}, content_type="application/json")

    assert found_texts(api, "wording") == ["edited wording", "original wording"]


def test_copy_is_found_beside_its_source(api: Client, mina: User) -> None:
    message = say_alone(mina, "wording")
    assert len(search_for(api, "wording")["data"]) == 1

    api.post(f"/api/conversations/{message.conversation_id}/duplicate", {}, content_type="application/json")

    assert len(search_for(api, "wording")["data"]) == 2


def test_titles_are_found_as_they_are_now(api: Client, mina: User) -> None:
    conversation = add(mina, title="여름휴가 계획")
    assert found_texts(api, "휴가") == ["여름휴가 계획"]
    path = f"/api/conversations/{conversation.pk}"

    api.patch(path, {"title": "겨울여행"}, content_type="application/json")

    assert found_texts(api, "휴가") == []
    assert found_texts(api, "여행") == ["겨울여행"]


def test_title_by_a_model_is_found(api: Client, mina: User) -> None:
    conversation = add(mina, title="first words")
    assert found_texts(api, "first") == ["first words"]

    store_titles([FoundTitle(conversation_id=conversation.pk, owner_id=mina.id, title="by a model")])

    assert found_texts(api, "model") == ["by a model"]


def test_title_of_an_old_conversation_without_messages_is_found(api: Client, mina: User) -> None:
    add(mina, title="never used", minutes=-10_000)

    assert found_texts(api, "never") == ["never used"]


def test_hit_of_a_title_names_no_message(api: Client, mina: User) -> None:
    conversation = add(mina, title="Trip to Jeju", is_archived=True)

    (hit,) = search_for(api, "jeju")["data"]

    assert hit["conversation"] == {"id": str(conversation.pk), "title": "Trip to Jeju", "archived": True}
    assert (hit["message_id"], hit["role"], hit["model"]) == (None, None, "")


def test_trash_is_not_found_until_it_is_restored(api: Client, mina: User) -> None:
    message = say_alone(mina, "wording", title="wording")
    path = f"/api/conversations/{message.conversation_id}"
    assert len(search_for(api, "wording")["data"]) == 2

    api.delete(path)
    assert found_texts(api, "wording") == []
    api.post(f"{path}/restore")

    assert len(search_for(api, "wording")["data"]) == 2


def test_nothing_of_what_is_removed_stays_in_the_index(api: Client, mina: User) -> None:
    gone = say_alone(mina, "wording", title="wording")
    branch = say_alone(mina, "other wording")
    search_for(api, "wording")

    api.delete(path_to(branch))
    assert MessageEntry.objects.count() == 1
    api.delete(f"/api/conversations/{gone.conversation_id}")
    api.delete(f"/api/conversations/{gone.conversation_id}?permanently=true")

    assert list(TitleEntry.objects.values_list("pk", flat=True)) == [branch.conversation_id]
    assert MessageEntry.objects.count() == 0
    assert count_terms() == (0 if is_postgresql() else 1)  # the other title


def test_index_of_an_account_goes_with_it(api: Client, mina: User) -> None:
    say_alone(mina, "wording", title="wording")
    search_for(api, "wording")

    Conversation.objects.filter(owner=mina).delete()
    mina.delete()

    assert not SearchMark.objects.exists()
    assert count_terms() == 0


def test_nobody_finds_what_somebody_else_has(api: Client, mina: User, juno: User) -> None:
    say_alone(juno, "secret wording", title="secret wording")
    index_account(juno.id, timezone.now(), most=10)

    assert search_for(api, "wording") == {
        "object": "list",
        "data": [],
        "next": None,
        "has_more": False,
        "incomplete": False,
    }


def test_large_backlog_is_indexed_search_by_search(
    api: Client, mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refreshing, "MOST_MESSAGES", 3)
    conversation = add(mina)
    Message.objects.bulk_create(
        Message(conversation=conversation, owner=mina, role="user", content=f"wording {n}") for n in range(7)
    )

    pages = [search_for(api, "wording") for _ in range(3)]

    assert [(len(page["data"]), page["incomplete"]) for page in pages] == [(3, True), (6, True), (7, False)]


def test_search_reads_the_index_alone_once_it_is_up_to_date(mina: User) -> None:
    say_alone(mina, "wording")
    now = timezone.now()
    refresh(mina.id, now)
    checked = SearchMark.objects.get().checked_at

    assert refresh(mina.id, now + timedelta(seconds=1))

    assert SearchMark.objects.get().checked_at == checked


def test_mark_moves_on_while_nothing_is_said(mina: User) -> None:
    say_alone(mina, "wording")
    now = timezone.now()
    refresh(mina.id, now)

    refresh(mina.id, now + LATER)

    assert SearchMark.objects.get().indexed_to == first_id_at(now + LATER - refreshing.SETTLED)
