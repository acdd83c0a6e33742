"""Export, delete, import: the same trees, whatever is in them."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from accounts.models import User
from conversations.files.storing import remove_files, store_upload
from conversations.models import Conversation, Feedback, Folder, Message, StoredFile
from conversations.portability.exporting import ExportFormat, export
from conversations.portability.importing import import_file
from conversations.portability.report import ImportReport
from conversations.portability.selection import Selection
from conversations.removal import remove_conversations
from conversations.tests.rest import NOON
from conversations.tests.sample_files import image
from gateway.ids import new_id

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
IMPORTABLE = (ExportFormat.JSON, ExportFormat.LINES, ExportFormat.ZIP)


@st.composite
def messages(draw: st.DrawFn, place: int) -> dict[str, Any]:
    """The columns of a message, the place of its parent among those before it, and its files."""
    role = draw(st.sampled_from(["user", "assistant", "system", "tool"]))
    is_answer = role == "assistant"
    calls = [{"id": "c", "type": "function", "function": {"name": draw(TEXTS), "arguments": draw(TEXTS)}}]
    return {
        "parent": draw(st.one_of(st.none(), st.integers(0, place - 1))) if place else None,
        "texts": draw(st.lists(TEXTS, max_size=2)),
        "files": draw(st.lists(st.integers(0, 2), max_size=2)),
        "feedback": draw(st.sampled_from([None, 1, -1])) if is_answer else None,
        "columns": {
            "role": role,
            "reasoning": draw(TEXTS) if is_answer else "",
            "tool_calls": calls if is_answer and draw(st.booleans()) else None,
            "tool_call_id": "c" if role == "tool" else "",
            "status": draw(st.sampled_from(["complete", "cancelled", "error"])) if is_answer else "complete",
            "error_code": draw(st.sampled_from(["", "interrupted"])),
            "model": draw(TEXTS),
            "finish_reason": draw(st.sampled_from(["", "stop", "length", "tool_calls", "refusal"])),
            "prompt_tokens": draw(st.one_of(st.none(), st.integers(0, 2**31 - 1))),
            "completion_tokens": draw(st.one_of(st.none(), st.integers(0, 2**31 - 1))),
            "usage_source": draw(st.sampled_from(["", "engine", "estimated"])),
            "ttft_ms": draw(st.one_of(st.none(), st.integers(0, 9))),
            "latency_ms": draw(st.one_of(st.none(), st.integers(0, 9))),
            "omitted_messages": draw(st.integers(0, 3)),
            "request_id": draw(TEXTS),
            "created_at": NOON + timedelta(microseconds=draw(st.integers(0, 10**9))),
        },
    }


@st.composite
def conversations(draw: st.DrawFn) -> dict[str, Any]:
    said = [draw(messages(place)) for place in range(draw(st.integers(0, 6)))]
    return {
        "messages": said,
        "head": draw(st.integers(0, len(said) - 1)) if said else None,
        "folder": draw(st.sampled_from(["", "Work", "<집>"])),
        "columns": {
            "title": draw(TEXTS.filter(str.strip)),
            "title_source": draw(st.sampled_from(["first", "model", "user"])),
            "system_prompt": draw(TEXTS),
            "model": draw(TEXTS),
            "is_pinned": draw(st.booleans()),
            "is_archived": draw(st.booleans()),
            "created_at": NOON - timedelta(microseconds=draw(st.integers(0, 10**9))),
            "updated_at": NOON + timedelta(microseconds=draw(st.integers(0, 10**9))),
        },
    }


def store(owner: User, drawn: dict[str, Any]) -> None:
    folder = Folder.objects.get_or_create(owner=owner, name=drawn["folder"])[0] if drawn["folder"] else None
    conversation = Conversation.objects.create(owner=owner, folder=folder, **drawn["columns"])
    rows = list[Message]()
    for said in drawn["messages"]:
        texts, parts = said["texts"], None
        if said["files"]:
            parts = [{"type": "text", "length": len(text)} for text in texts]
            parts += [part_of(owner, number) for number in said["files"]]
        rows.append(
            Message.objects.create(
                id=new_id(),
                conversation=conversation,
                owner=owner,
                parent=None if said["parent"] is None else rows[said["parent"]],
                content="\n\n".join(texts),
                parts=parts,
                **said["columns"],
            )
        )
        if said["feedback"]:
            Feedback.objects.create(message=rows[-1], owner=owner, rating=said["feedback"], comment="So.")
    if rows:
        Conversation.objects.filter(pk=conversation.pk).update(head=rows[drawn["head"]])


def part_of(owner: User, number: int) -> dict[str, Any]:
    """Of an image, or of the document number 2."""
    if number == 2:
        stored, _ = store_upload(owner.pk, io.BytesIO(b"# Plan"), name="plan.md")
        return {"type": "document", "file_id": str(stored.pk), "name": stored.name}
    stored, _ = store_upload(owner.pk, io.BytesIO(image(colour=number)), name="")
    return {"type": "image", "file_id": str(stored.pk)}


def snapshot(owner: User) -> list[dict[str, Any]]:
    """All that an account has said, without ids: messages by their places, files by their contents."""
    hashes = {str(pk): sha256 for pk, sha256 in StoredFile.objects.values_list("pk", "sha256")}
    found = []
    for conversation in Conversation.objects.filter(owner=owner).select_related("folder").order_by("pk"):
        rows = list(conversation.messages.select_related("feedback").order_by("pk"))
        places = {row.pk: place for place, row in enumerate(rows)}
        found.append(
            {
                "columns": {name: getattr(conversation, name) for name in COLUMNS_OF_CONVERSATIONS},
                "folder": conversation.folder.name if conversation.folder else "",
                "head": places.get(conversation.head_id) if conversation.head_id else None,
                "messages": [
                    {
                        "columns": {name: getattr(row, name) for name in COLUMNS_OF_MESSAGES},
                        "parent": places[row.parent_id] if row.parent_id else None,
                        "parts": row.parts
                        and [
                            {**part, "file_id": hashes[part["file_id"]]} if "file_id" in part else part
                            for part in row.parts
                        ],
                        "feedback": (row.feedback.rating, row.feedback.comment)
                        if hasattr(row, "feedback")
                        else None,
                    }
                    for row in rows
                ],
            }
        )
    return found


NOT_COMPARED = {
    "conversation": {"id", "owner", "folder", "head", "import_key", "version"},
    "message": {
        *("id", "conversation", "owner", "parent", "parts", "client_message_id", "request_digest"),
        *("lease_expires_at", "cancel_requested_at"),
    },
}
"""Everything else, also a column that is added later, has to survive."""
COLUMNS_OF_CONVERSATIONS = {f.name for f in Conversation._meta.concrete_fields} - NOT_COMPARED["conversation"]
COLUMNS_OF_MESSAGES = {f.name for f in Message._meta.concrete_fields} - NOT_COMPARED["message"]


def bring_back(owner: User, export_format: ExportFormat) -> ImportReport:
    """Export all that the account has, remove it for good, and import it."""
    content = b"".join(export(Selection(owner_id=owner.pk), export_format))
    remove_conversations(list(Conversation.objects.filter(owner=owner).values_list("pk", flat=True)))
    remove_files(list(StoredFile.objects.filter(owner=owner)))
    Folder.objects.filter(owner=owner).delete()
    return import_file(owner.pk, io.BytesIO(content))


class RoundTrips(TestCase):
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> Iterator[None]:
        with override_settings(MEDIA_ROOT=tmp_path):
            yield

    @given(drawn=st.lists(conversations(), max_size=3), export_format=st.sampled_from(IMPORTABLE))
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def test_what_was_exported_and_deleted_comes_back_as_it_was(
        self, drawn: list[dict[str, Any]], export_format: ExportFormat
    ) -> None:
        owner = User.objects.create(username="mina")
        for conversation in drawn:
            store(owner, conversation)
        before = snapshot(owner)

        report = bring_back(owner, export_format)

        assert snapshot(owner) == before
        assert (report.conversations, report.skipped) == (len(drawn), [])
