"""Archives that are imported: bounded in what they expand to, and never unpacked to names of theirs."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import replace

import pytest
from django.test import Client

from conversations.models import StoredFile
from conversations.portability import importing, package
from conversations.tests.portability.files import bring, file_folder
from conversations.tests.portability.own_files import describe, document
from conversations.tests.rest import error_of
from gateway.conf import get_config

__all__ = ["file_folder"]

pytestmark = pytest.mark.django_db


def archive_of(**entries: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def test_archive_that_expands_too_far_is_refused(api: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(get_config(), max_import_bytes=10_000)
    monkeypatch.setattr(importing, "get_config", lambda: changed)
    bomb = archive_of(**{"conversations.json": b"[" + b" " * 1_000_000 + b"]"})

    response = api.post("/api/conversations/import", bomb, content_type="application/zip")

    assert error_of(response)[:2] == (413, "request_too_large")


def test_files_of_an_archive_expand_to_a_bounded_size_together(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any number of references may lead to the same bytes."""
    changed = replace(get_config(), max_import_bytes=40_000)
    monkeypatch.setattr(importing, "get_config", lambda: changed)
    parts = [{"type": "document", "file_id": "big"[:n], "name": f"{n}.txt"} for n in (1, 2, 3)]
    message = {"id": "q", "parent_id": None, "role": "user", "content": "", "parts": parts}
    packed = archive_of(
        **{"conversations.json": document(describe(messages=[message])), "big": b"a" * 30_000}
    )

    report = bring(api, packed)

    assert report["taken"] == {"conversations": 1, "messages": 1, "files": 1}
    assert report["skipped"] == [
        {"name": "3.txt", "reason": "The archive expands to more than MAX_IMPORT_BYTES."}
    ]


def test_list_of_files_is_bounded_wherever_its_length_is_said(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old field has four bytes, so the ends of large archives say it again: there it counts."""
    monkeypatch.setattr(package, "MOST_DIRECTORY_BYTES", 100_000)
    names = archive_of(**{f"{n}{'x' * 200}": b"" for n in range(500)})
    place, end = names.index(b"PK\x01\x02"), names.index(b"PK\x05\x06")
    size = end - place
    end_64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 500, 500, size, place)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    modest = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, 60, place, 0)

    for hostile in (names, names[:end] + end_64 + locator + modest):
        response = api.post("/api/conversations/import", hostile, content_type="application/zip")

        assert error_of(response)[:2] == (400, "invalid_request")
        assert "too many files" in response.json()["error"]["message"]


def test_archive_without_conversations_is_refused(api: Client) -> None:
    empty = archive_of(**{"a.txt": b"a"})

    response = api.post("/api/conversations/import", empty, content_type="application/zip")

    assert error_of(response)[:2] == (400, "invalid_request")


def test_path_of_a_file_that_leaves_its_archive_leads_nowhere(api: Client) -> None:
    file = {"id": "f", "sha256": "0", "name": "../../x.txt", "path": "../../../etc/passwd"}
    parts = [{"type": "document", "file_id": "f", "name": "x"}]
    message = {"id": "q", "parent_id": None, "role": "user", "content": "", "parts": parts}
    packed = archive_of(**{"conversations.json": document(describe(messages=[message]), files=[file])})

    report = bring(api, packed)

    assert report["taken"] == {"conversations": 1, "messages": 1, "files": 0}
    assert not StoredFile.objects.exists()
