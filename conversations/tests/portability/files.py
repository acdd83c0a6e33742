"""Files that are exported and imported over REST."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client


@pytest.fixture(autouse=True)
def file_folder(settings: Any, tmp_path: Path) -> Path:
    """Where files are stored during the test."""
    settings.MEDIA_ROOT = tmp_path / "files"
    return tmp_path / "files"


def body_of(response: Any) -> bytes:
    async def collect(pieces: AsyncIterator[bytes]) -> bytes:
        return b"".join([piece async for piece in pieces])

    assert response.status_code == 200, response.content
    return async_to_sync(collect)(response.streaming_content)


def download(api: Client, path: str = "/export", **query: str) -> bytes:
    """An export."""
    return body_of(api.get(f"/api/conversations{path}", query))


def bring(api: Client, content: bytes, **query: str) -> dict[str, Any]:
    """Import this file; the report."""
    response = api.post(
        "/api/conversations/import", content, content_type="application/octet-stream", query_params=query
    )
    assert response.status_code == 200, response.content
    report: dict[str, Any] = response.json()
    return report
