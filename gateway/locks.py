"""Locks that one process at a time holds on a folder."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO

from gateway.data_folder import make_private


def lock_folder(folder: Path, name: str) -> IO[str] | None:
    """The folder's lock of this name, held until it is closed; None when another process holds it."""
    make_private(folder)
    lock = (folder / name).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock
