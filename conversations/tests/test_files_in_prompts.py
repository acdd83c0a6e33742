"""Prompts of messages that are more than a text: which files are loaded, how many, and what stays cheap."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.core.files.base import ContentFile
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from conversations.branches import BranchLimits, BranchMessage, Extra, load_branches, to_prompt
from conversations.files import prompts
from conversations.files.attaching import GivenMessages, GivenPart, attach_files
from conversations.files.parts import cut_texts, replace_text
from conversations.files.prompts import LOST_FILE, OMITTED_IMAGE, load_attached
from conversations.files.storing import store_upload
from conversations.models import Message, MessageRole, StoredFile
from conversations.new_turns import LargeTurn, NewMessage, NewTurn, PreparedPrompt, Turn
from conversations.prompt_sizes import TurnLimits
from conversations.tests.rest import client_of
from conversations.tests.sample_files import image
from conversations.tests.turn_items import begin, close, turn_of, user_says
from conversations.turns import begin_turns, prepare_turns
from gateway.conf import get_config
from gateway.errors import ContextLengthExceeded, InvalidRequest

pytestmark = pytest.mark.django_db

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files"


def store(owner: User, content: bytes, name: str = "a") -> StoredFile:
    return store_upload(owner.id, ContentFile(content), name=name)[0]


def part_of(row: StoredFile) -> dict[str, Any]:
    return {"type": row.kind, "file_id": str(row.pk)}


def shows(*rows: StoredFile, text: str = "Look") -> tuple[NewMessage, ...]:
    parts = [{"type": "text", "length": len(text)}, *map(part_of, rows)]
    return (NewMessage(MessageRole.USER, text, Extra(parts=parts)),)


def begin_with_files(item: NewTurn) -> Turn:
    """As `chat.turn_recording` does."""
    assert begin_turns([item]) == [LargeTurn()]
    return begin(msgspec.structs.replace(item, prepared=prepare(item)))


def prepare(item: NewTurn) -> PreparedPrompt:
    (prepared,) = prepare_turns([item])
    if isinstance(prepared, Exception):
        raise prepared
    return prepared


def limit_images(monkeypatch: pytest.MonkeyPatch, most_bytes: int) -> None:
    changed = replace(get_config(), max_prompt_file_bytes=most_bytes)
    monkeypatch.setattr(prompts, "get_config", lambda: changed)


def kinds(prompt: list[dict[str, Any]]) -> list[str]:
    """In order: `image`, or the text of a part."""
    return [
        "image" if part["type"] == "image_url" else part["text"]
        for message in prompt
        for part in (
            message["content"]
            if isinstance(message["content"], list)
            else [{"type": "text", "text": message["content"]}]
        )
    ]


def test_turn_with_files_is_left_to_the_thread_of_large_turns_and_so_are_those_after_it(mina: User) -> None:
    started = begin_with_files(turn_of(mina, messages=shows(store(mina, image()))))
    close(started, "Red.")

    after = begin_with_files(turn_of(mina, "Why?", conversation_id=started.conversation_id))

    assert kinds(after.prompt) == ["Look", "image", "Red.", "Why?"]
    row = Message.objects.get(conversation=started.conversation_id, content="Look")
    assert row.parts is not None
    assert [part["type"] for part in row.parts] == ["text", "image"]


def test_branch_brings_parts_and_calls_as_they_were_stored_and_nothing_for_plain_texts(mina: User) -> None:
    first = begin_with_files(turn_of(mina, messages=shows(store(mina, image()))))
    Message.objects.filter(pk=first.message_id).update(status="complete", tool_calls=[CALL])
    result = NewMessage(MessageRole.TOOL, "21", Extra(tool_call_id="1"))
    second = begin_with_files(
        turn_of(mina, conversation_id=first.conversation_id, messages=(result, *user_says("And?")))
    )
    close(second, "Fine.")

    branch = load_branches([second.message_id], BranchLimits(messages=10, size_bytes=1000))[second.message_id]

    shown, called, answered, *plain = [message.extra for message in branch.messages]
    assert shown is not None and shown.parts == Message.objects.get(content="Look").parts
    assert called == Extra(tool_calls=[CALL])
    assert answered == Extra(tool_call_id="1")
    assert plain == [None, None]
    assert branch.has_parts
    calls_bytes = branch.size_bytes - len("Look" + "21" + "And?" + "Fine.")
    assert 60 < calls_bytes < 100  # a bound on a branch is one on its calls as well


def test_oldest_images_are_left_out_where_a_prompt_would_hold_too_many(
    mina: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = store(mina, image(colour=1)), store(mina, image(colour=2))
    messages = (*shows(first, text="a"), *shows(second, text="b"), *shows(first, text="c"))
    limit_images(monkeypatch, first.size_bytes + second.size_bytes)

    prepared = prepare(turn_of(mina, messages=messages))

    # An image that is used twice counts twice: its first use is left out, the last one stays.
    assert kinds(prepared.prompt) == [f"a\n\n{OMITTED_IMAGE}", "b", "image", "c", "image"]


def test_lost_files_are_said_to_be_lost(mina: User, folder: Path) -> None:
    gone, emptied = store(mina, image(colour=1)), store(mina, image(colour=2))
    item = turn_of(mina, messages=shows(gone, emptied))
    (folder / emptied.storage_name).unlink()
    StoredFile.objects.filter(pk=gone.pk).delete()

    assert kinds(prepare(item).prompt) == [f"Look\n\n{LOST_FILE}\n\n{LOST_FILE}"]


def test_file_of_somebody_else_never_gets_into_a_prompt(mina: User, juno: User) -> None:
    """Not even where a message of one's own refers to it, which no call of the API can bring about."""
    foreign = store(juno, b"secret of juno", "a.txt")

    prepared = prepare(turn_of(mina, messages=shows(foreign)))

    assert "secret" not in str(prepared.prompt)
    (attached,) = attach_files(
        [
            GivenMessages(
                owner_id=mina.id,
                messages=user_says(""),
                parts={0: [GivenPart(path="x", file_id=foreign.pk)]},
            )
        ]
    )
    assert isinstance(attached, Exception)


def test_documents_are_refused_by_their_size_before_they_are_read(
    mina: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    small, large = store(mina, b"a" * 100, "small.txt"), store(mina, b"b" * 1000, "large.txt")
    limits = TurnLimits(model="tiny", context_tokens=50)

    with (
        django_assert_num_queries(1),
        pytest.raises(ContextLengthExceeded, match=r"1100 bytes.*`large\.txt`"),
    ):
        prepare(turn_of(mina, messages=shows(small, large), limits=limits))


def test_images_count_nothing_towards_the_context_which_the_engine_judges(mina: User) -> None:
    row = store(mina, image(size=(600, 600)))
    limits = TurnLimits(model="tiny", context_tokens=10)
    assert row.size_bytes > 160

    prepared = prepare(turn_of(mina, messages=shows(row), limits=limits))

    assert prepared.size_bytes == len("Look")


def test_files_are_loaded_in_as_many_queries_for_many_messages_as_for_one(
    mina: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = [store(mina, f"text {n}".encode(), f"{n}.txt") for n in range(5)]
    for used in (rows[:1], rows):
        messages = tuple(message for row in used for message in shows(row))
        with django_assert_num_queries(2):
            prepare(turn_of(mina, messages=messages))


def test_page_of_messages_shows_its_files_in_one_query(
    mina: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api = client_of(mina)
    for count in (1, 4):
        rows = [store(mina, image(colour=n)) for n in range(count)]
        messages = tuple(message for row in rows for message in shows(row))
        turn = begin_with_files(turn_of(mina, messages=messages))
        with django_assert_num_queries(6):
            page = api.get(f"/api/conversations/{turn.conversation_id}").json()["messages"]
        assert [part["file_id"] for m in page if m["parts"] for part in m["parts"][1:]] == [
            str(row.pk) for row in rows
        ]


def test_message_whose_list_of_parts_is_empty_has_an_empty_content(mina: User) -> None:
    said = [BranchMessage("", "user", "", Extra(parts=[]))]

    assert load_attached(turn_of(mina), said).content_of(said[0]) == ""


def test_call_that_was_cut_is_left_out_of_prompts(mina: User) -> None:
    cut = {"id": "2", "type": "function", "function": {"name": "f", "arguments": '{"a": '}}
    branch = [
        BranchMessage("", "user", "one"),
        BranchMessage("", "assistant", "", Extra(tool_calls=[cut])),
        BranchMessage("", "user", "two"),
        BranchMessage("", "assistant", "", Extra(tool_calls=[CALL, cut])),
    ]

    assert to_prompt("", branch) == [
        {"role": "user", "content": "one\n\ntwo"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
    ]


def test_result_of_an_earlier_answers_call_is_refused(mina: User) -> None:
    """Engines want results right behind the calls."""
    first = begin(turn_of(mina))
    Message.objects.filter(pk=first.message_id).update(status="complete", tool_calls=[CALL])
    second = begin(turn_of(mina, conversation_id=first.conversation_id))
    close(second)
    result = NewMessage(MessageRole.TOOL, "21", Extra(tool_call_id="1"))

    with pytest.raises(InvalidRequest, match="calls no tool"):
        begin(turn_of(mina, conversation_id=first.conversation_id, messages=(result,)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.text(min_size=1), st.none()), min_size=1, max_size=8))
def test_texts_are_cut_out_as_they_were_put_in(said: list[str | None]) -> None:
    """Whatever they hold, also what stands between them; None is a file."""
    given_parts = [GivenPart(path="", text=t) if t else GivenPart(path="", url="data:x") for t in said]
    item = GivenMessages(owner_id=uuid.uuid4(), messages=user_says(""), parts={0: given_parts}, store=False)

    (attached,) = attach_files([item])

    assert isinstance(attached, tuple)
    extra = attached[0].extra
    assert extra is not None and extra.parts is not None
    assert [text or None for _part, text in cut_texts(attached[0].content, extra.parts)] == said


def test_another_text_of_a_message_stands_where_its_first_one_was_and_leaves_its_files() -> None:
    picture, document = ({"type": kind, "file_id": str(uuid.uuid4())} for kind in ("image", "document"))
    text, new = {"type": "text", "length": 9}, {"type": "text", "length": 3}

    assert replace_text([picture, text, document, text], "new") == [picture, new, document]
    assert replace_text([picture], "new") == [new, picture]
    assert replace_text(None, "new") is None
