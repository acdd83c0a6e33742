"""Signing secrets of an embedded gateway: made up once and kept in its data folder."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from pathlib import Path

from gateway.data_folder import make_private

FILE_NAME = "secrets.json"


def load_or_create_secrets(folder: Path) -> dict[str, str]:
    """`secret_key` and `jwt_secret` of this data folder; the same on every call and in every process."""
    make_private(folder)
    path = folder / FILE_NAME
    if not path.exists():
        candidate = folder / f".{FILE_NAME}.{os.getpid()}"
        candidate.touch(mode=0o600)
        candidate.write_text(
            json.dumps({"secret_key": secrets.token_urlsafe(48), "jwt_secret": secrets.token_urlsafe(48)})
        )
        # A hard link fails if another process was first: then everyone reads that one's file.
        with contextlib.suppress(FileExistsError):
            os.link(candidate, path)
        candidate.unlink()
    kept: dict[str, str] = json.loads(path.read_text())
    return kept
