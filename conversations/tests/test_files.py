"""Files: what may be uploaded, who reads it, and how long it stays."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from conversations.files import documents, pdf_reader, storing
from conversations.models import ROW_BYTES, Conversation, Message, StoredFile
from conversations.stored_bytes import sum_stored_bytes
from conversations.tests.rest import client_of, error_of
from conversations.tests.sample_files import image, pdf
from gateway.conf import get_config

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    """Where files are stored during the test."""
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files"


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Sets settings for the test."""

    def set_bounds(**values: Any) -> None:
        changed = replace(get_config(), **values)
        monkeypatch.setattr(storing, "get_config", lambda: changed)

    return set_bounds


def upload(api: Client, content: bytes, name: str = "a.png") -> Any:
    return api.post("/api/files", {"file": SimpleUploadedFile(name, content)})


def content_of(api: Client, file_id: str) -> tuple[Any, bytes]:
    response: Any = api.get(f"/api/files/{file_id}/content")

    async def collect(pieces: AsyncIterator[bytes]) -> bytes:
        return b"".join([piece async for piece in pieces])

    return response, async_to_sync(collect)(response.streaming_content)


@pytest.mark.parametrize(
    ("content", "name", "kind", "media_type"),
    [
        (image("PNG"), "a.txt", "image", "image/png"),  # by its content, whatever its name says
        (image("JPEG"), "a.jpg", "image", "image/jpeg"),
        (image("WEBP"), "a.webp", "image", "image/webp"),
        (image("GIF"), "a.gif", "image", "image/gif"),
        (pdf(), "a.pdf", "document", "application/pdf"),
        ("이름,값\n".encode(), "a.csv", "document", "text/csv"),
        (b"# Title", "a.MD", "document", "text/markdown"),
        (b"{}", "a.json", "document", "application/json"),
        (b"\xef\xbb\xbf<html>", "a.html", "document", "text/plain"),
    ],
)
def test_file_is_what_its_content_is(
    api: Client, content: bytes, name: str, kind: str, media_type: str
) -> None:
    response = upload(api, content, name)

    assert response.status_code == 201, response.content
    body = response.json()
    assert (body["kind"], body["media_type"], body["name"]) == (kind, media_type, name)
    assert body["size_bytes"] == len(content)
    assert (body["text_tokens_estimate"] is None) == (kind == "image")
    _, stored = content_of(api, body["id"])
    assert stored == content


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (b'<?xml version="1.0"?>\n<svg xmlns="a"><script/></svg>', "a.svg", "SVG"),
        (b"\xff\xfe\x00binary", "a.bin", "none of what may be attached"),
        (b"a\x00b", "a.txt", "NUL"),
        (b"  \n", "a.txt", "empty"),
        (image("PNG")[:40], "a.png", "damaged"),
        (image("PNG").replace(b"IDAT", b"IDAX"), "a.png", "damaged"),
        (pdf(""), "scan.pdf", "holds no text"),
        (pdf(password="secret"), "locked.pdf", "encrypted"),
        (b"%PDF-1.7\nnothing of the kind", "a.pdf", "cannot be read"),
    ],
)
def test_what_may_not_be_attached_is_refused_with_the_reason(
    api: Client, content: bytes, name: str, says: str
) -> None:
    response = upload(api, content, name)

    assert error_of(response) == (400, "invalid_request", "file")
    assert says in response.json()["error"]["message"]
    assert not StoredFile.objects.exists()


def test_image_of_too_many_pixels_is_refused_before_it_is_decoded(api: Client) -> None:
    small = image("PNG")
    header = small[16:24]
    bomb = small.replace(header, (30_000).to_bytes(4) * 2)  # the sizes, without as many pixels

    response = upload(api, bomb)

    assert error_of(response) == (400, "invalid_request", "file")


def test_bounds_are_settings(api: Client, bounds: Any) -> None:
    bounds(max_file_bytes=2000, max_image_bytes=50, max_file_text_chars=100)

    assert error_of(upload(api, b"x" * 2001, "a.txt")) == (413, "request_too_large", "file")
    assert error_of(upload(api, image())) == (413, "request_too_large", "file")
    assert error_of(upload(api, b"x" * 101, "a.txt")) == (400, "invalid_request", "file")
    assert upload(api, b"x" * 100, "a.txt").status_code == 201


def test_pdf_of_too_much_text_is_refused_while_it_is_read(api: Client, bounds: Any) -> None:
    bounds(max_file_text_chars=30)

    response = upload(api, pdf("0123456789", pages=5), "a.pdf")

    assert "more than 30 characters" in response.json()["error"]["message"]


def test_pdfs_text_is_stored_page_by_page(api: Client) -> None:
    file_id = upload(api, pdf("page", pages=2), "a.pdf").json()["id"]

    assert StoredFile.objects.get(pk=file_id).text == "page\n\npage"


def test_same_content_is_stored_once_for_each_account(api: Client, juno: User, folder: Path) -> None:
    first = upload(api, image(), "first.png")
    again = upload(api, image(), "second.png")
    others = upload(client_of(juno), image())

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert others.status_code == 201  # nothing says that somebody has it already
    assert others.json()["id"] != first.json()["id"]
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 2


def test_two_uploads_of_one_content_at_a_time_leave_one_row_and_its_bytes(
    api: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = upload(api, image()).json()
    real, answers = storing.find_same, iter([None])
    monkeypatch.setattr(storing, "find_same", lambda *args: next(answers, real(*args)))

    again = upload(api, image())

    assert (again.status_code, again.json()["id"]) == (200, first["id"])
    assert [path.name for path in folder.rglob("*") if path.is_file()] == [first["id"]]


def test_only_images_are_shown_and_nothing_of_a_file_may_run(api: Client) -> None:
    shown, _ = content_of(api, upload(api, image()).json()["id"])
    kept, _ = content_of(api, upload(api, b"<script>alert(1)</script>", 'o"\r\nX: y.html').json()["id"])

    assert shown["Content-Disposition"].startswith("inline")
    assert kept["Content-Disposition"].startswith("attachment")
    assert kept["Content-Type"] == "text/plain; charset=utf-8"
    for response in (shown, kept):
        assert response["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert response["Cache-Control"] == "private, no-cache"


def test_content_that_the_browser_has_is_not_sent_again(api: Client, juno: User) -> None:
    file_id = upload(api, image()).json()["id"]
    path = f"/api/files/{file_id}/content"
    first, _ = content_of(api, file_id)

    again = api.get(path, headers={"If-None-Match": first["ETag"]})
    foreign = client_of(juno).get(path, headers={"If-None-Match": first["ETag"]})

    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Cache-Control"] == "private, no-cache"
    assert foreign.status_code == 404


def test_files_of_others_look_like_missing_ones(api: Client, juno: User) -> None:
    file_id = upload(client_of(juno), image()).json()["id"]

    for method in (api.get, api.delete):
        assert method(f"/api/files/{file_id}").content == method(f"/api/files/{uuid.uuid4()}").content
    foreign, missing = (api.get(f"/api/files/{id_}/content") for id_ in (file_id, uuid.uuid4()))
    assert (foreign.status_code, foreign.content) == (404, missing.content)
    assert error_of(api.get("/api/files", {"after": file_id})) == error_of(
        api.get("/api/files", {"after": str(uuid.uuid4())})
    )
    assert StoredFile.objects.filter(pk=file_id).exists()


def test_list_is_paged_from_the_newest_in_a_constant_number_of_queries(
    api: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ids = [upload(api, f"text {n}".encode(), f"{n}.txt").json()["id"] for n in range(5)]

    with django_assert_num_queries(2):  # the account with its session, the page
        first = api.get("/api/files", {"limit": 3}).json()
    rest = api.get("/api/files", {"limit": 3, "after": first["last_id"]}).json()

    assert [row["id"] for row in first["data"] + rest["data"]] == ids[::-1]
    assert (first["has_more"], rest["has_more"]) == (True, False)


def test_files_count_towards_what_an_account_may_hold(api: Client, mina: User, bounds: Any) -> None:
    upload(api, b"abcd", "a.txt")

    assert sum_stored_bytes([mina.id]) == [4 + 4 + ROW_BYTES]
    bounds(max_account_bytes=ROW_BYTES * 2)
    assert error_of(upload(api, b"more", "b.txt"))[:2] == (409, "storage_full")
    assert upload(api, b"abcd", "a.txt").status_code == 200


def test_tool_calls_count_towards_what_an_account_holds(mina: User) -> None:
    conversation = Conversation.objects.create(owner=mina)
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "x" * 5000}}]
    Message.objects.create(conversation=conversation, owner=mina, role="assistant", tool_calls=calls)

    (held,) = sum_stored_bytes([mina.id])

    assert 2 * ROW_BYTES + 5000 < held < 2 * ROW_BYTES + 5200


def test_file_is_deleted_once_no_message_refers_to_it(api: Client, mina: User, folder: Path) -> None:
    file_id = upload(api, image()).json()["id"]
    conversation = Conversation.objects.create(owner=mina)
    message = Message.objects.create(
        conversation=conversation, owner=mina, role="user", parts=[{"type": "image", "file_id": file_id}]
    )

    assert error_of(api.delete(f"/api/files/{file_id}"))[:2] == (409, "file_in_use")
    message.delete()
    assert api.delete(f"/api/files/{file_id}").status_code == 204
    assert api.get(f"/api/files/{file_id}").status_code == 404
    assert [path for path in folder.rglob("*") if path.is_file()] == []


def test_files_that_no_message_refers_to_are_purged_after_their_days(
    api: Client, mina: User, folder: Path
) -> None:
    used, _unused, young, again = (upload(api, image(colour=n)).json()["id"] for n in range(4))
    conversation = Conversation.objects.create(owner=mina)
    parts = [{"type": "text", "length": 0}, {"type": "image", "file_id": used}]
    Message.objects.create(conversation=conversation, owner=mina, role="user", parts=parts)
    long_ago = timezone.now() - timedelta(days=get_config().unused_file_days + 1)
    StoredFile.objects.exclude(pk=young).update(created_at=long_ago, used_at=long_ago)
    assert upload(api, image(colour=3)).json()["id"] == again

    call_command("purge_conversations", dry_run=True)
    assert StoredFile.objects.count() == 4
    call_command("purge_conversations")

    assert {str(row.pk) for row in StoredFile.objects.all()} == {used, young, again}
    assert {path.name for path in folder.rglob("*") if path.is_file()} == {used, young, again}


def test_bytes_of_a_deleted_account_and_of_a_broken_upload_are_purged_after_a_day(
    api: Client, mina: User, juno: User, folder: Path
) -> None:
    kept = upload(api, image()).json()["id"]
    upload(client_of(juno), image())
    juno.delete()
    broken, young = (folder / str(mina.id) / str(uuid.uuid4()) for _ in range(2))
    for path in (broken, young):
        path.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86_400
    for path in folder.rglob("*"):
        if path.is_file() and path != young:
            os.utime(path, (two_days_ago, two_days_ago))

    call_command("purge_conversations", dry_run=True)
    assert len([path for path in folder.rglob("*") if path.is_file()]) == 4
    call_command("purge_conversations")

    assert {path.name for path in folder.rglob("*") if path.is_file()} == {kept, young.name}


def test_pdf_that_takes_too_long_is_given_up_and_the_next_one_read(
    api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "PDF_S", 0.001)  # Python alone takes longer to start
    refused = [upload(api, pdf(), "a.pdf") for _ in range(3)]
    monkeypatch.undo()

    assert {error_of(response) for response in refused} == {(400, "invalid_request", "file")}
    assert upload(api, pdf(), "a.pdf").status_code == 201


def test_reader_of_pdfs_can_take_neither_all_memory_nor_all_time() -> None:
    """What the process says of itself, with more than it may hold in place of a file."""
    spy = (
        "import sys, resource as r, importlib.util as u;"
        "spec = u.spec_from_file_location('reader', sys.argv[1]);"
        "reader = u.module_from_spec(spec); spec.loader.exec_module(reader); reader.limit_self();"
        "print(r.getrlimit(r.RLIMIT_AS)[0], r.getrlimit(r.RLIMIT_CPU)[0], flush=True);"
        "bytearray(2 * reader.MEMORY_BYTES)"
    )

    done = subprocess.run(
        [sys.executable, "-I", "-c", spy, str(pdf_reader.__file__)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout.split() == [str(pdf_reader.MEMORY_BYTES), str(pdf_reader.CPU_S)]
    assert "MemoryError" in done.stderr


def test_stored_files_are_their_accounts_alone_also_on_the_disk(api: Client, folder: Path) -> None:
    before = os.umask(0o000)
    try:
        upload(api, image())
    finally:
        os.umask(before)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*") if path.is_file()}
    folders = {stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")] if path.is_dir()}
    assert (modes, folders) == ({0o600}, {0o700})


def test_fields_beside_the_file_are_refused(api: Client) -> None:
    response = api.post("/api/files", {"file": SimpleUploadedFile("a.txt", b"a"), "owner": "juno"})

    assert error_of(response) == (400, "invalid_request", "owner")
    assert error_of(api.post("/api/files", {})) == (400, "invalid_request", "file")
