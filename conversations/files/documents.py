"""Text files and PDFs: the text of a document, as prompts hold it."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import IO

from conversations.files import pdf_reader
from gateway.errors import ConcurrencyLimitExceeded, InvalidRequest
from gateway.wording import fill_in

PDF = "application/pdf"
MEDIA_TYPES = {
    "md": "text/markdown",
    "markdown": "text/markdown",
    "csv": "text/csv",
    "json": "application/json",
}
"""By the end of the name. Any other text is plain, also HTML: nothing of a user's is ever shown as a page."""

MAX_PAGES = 2_000
PDF_S = 30.0
"""Longest wait for a PDF's text."""
PDF_WAIT_S = 20.0
"""Longest wait for another PDF's to be read."""
_pdf_places = threading.BoundedSemaphore(2)
"""PDFs that this process has read at a time: each takes a core, and up to a gigabyte for a hostile one."""

_PROBLEMS = {
    "encrypted": fill_in("The PDF is encrypted. Send it without a password."),
    "too many pages": fill_in("The PDF has more than {most} pages.", most=MAX_PAGES),
    "damaged": fill_in("The PDF cannot be read: it is damaged, or takes too much time or memory."),
}


def looks_like_pdf(head: bytes) -> bool:
    return b"%PDF-" in head[:1024]


def read_text_file(file: IO[bytes], *, max_chars: int) -> str:
    """Raises InvalidRequest for what is no text in UTF-8, or too long."""
    data = file.read()
    if data[:1024].lstrip().startswith(b"<") and b"<svg" in data[:1024].lower():
        raise InvalidRequest("SVG images are not taken. Send a PNG, JPEG, WebP or GIF.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidRequest(
            "The file is none of what may be attached: an image (PNG, JPEG, WebP, GIF), a PDF, "
            "or text in UTF-8."
        ) from exc
    if "\0" in text:
        raise InvalidRequest("The file holds NUL characters, so it is no text.")
    return _check_text(text, max_chars=max_chars)


def media_type_of(name: str) -> str:
    """Of a text file."""
    return MEDIA_TYPES.get(name.rpartition(".")[2].lower(), "text/plain")


def read_pdf(file: IO[bytes], *, max_chars: int) -> str:
    """The text of all pages, read by a process that is bounded in time and memory and knows no secret.

    Blocks. Raises InvalidRequest for a PDF that is damaged, encrypted, too long or has no text, and
    ConcurrencyLimitExceeded when others' take too long.
    """
    if not _pdf_places.acquire(timeout=PDF_WAIT_S):
        raise ConcurrencyLimitExceeded("Too many PDFs are being read.")
    try:
        done = subprocess.run(  # noqa: S603 - our own script, with numbers
            [sys.executable, "-I", str(Path(pdf_reader.__file__)), str(max_chars), str(MAX_PAGES)],
            input=file.read(),
            capture_output=True,
            env={},
            timeout=PDF_S,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise InvalidRequest(_PROBLEMS["damaged"]) from exc
    finally:
        _pdf_places.release()
    if done.returncode:
        problem = pdf_reader.EXITS.get(done.returncode, "damaged")
        raise InvalidRequest(_PROBLEMS.get(problem) or _too_long(max_chars))
    text = done.stdout.decode()
    if not text.strip():
        raise InvalidRequest("The PDF holds no text: its pages are images. Send them as images.")
    return _check_text(text, max_chars=max_chars)


def _check_text(text: str, *, max_chars: int) -> str:
    if not text.strip():
        raise InvalidRequest("The file is empty.")
    if len(text) > max_chars:
        raise InvalidRequest(_too_long(max_chars))
    return text


def _too_long(max_chars: int) -> str:
    return fill_in("The document has more than {max_chars} characters of text.", max_chars=max_chars)
