"""The data folder of a gateway on its embedded defaults: nobody else on the machine may look into it."""

from __future__ import annotations

import contextlib
import os
import stat
from fnmatch import fnmatch
from pathlib import Path

PRIVATE = 0o700
_OURS = (
    *("*.sqlite3*", "secrets.json", ".secrets.json.*", "engines", "files"),
    *("box-id", ".box-id.*", "*.lock", "*.log"),
)
"""What a gateway puts into its data folder."""


def make_private(folder: Path) -> None:
    """Make the folder, with the rights 0700 whatever the umask.

    One that is there already gets them too, if this user owns it and nothing else is in it: a folder that is
    shared with something else (`/tmp`, a home) is not ours to close. The files that hold secrets are private
    by themselves.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Another process may be making it at the same time.
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=PRIVATE)
    found = folder.stat()
    is_open = stat.S_IMODE(found.st_mode) & ~PRIVATE
    if is_open and found.st_uid == os.geteuid() and _holds_only_ours(folder):
        folder.chmod(PRIVATE)


def touch_private(path: Path) -> None:
    """Make the file readable for its owner alone; SQLite gives its further files the same rights.

    In a private folder one that is not there yet stays away: commands that need no database leave none.
    """
    if not path.exists():
        if not stat.S_IMODE(path.parent.stat().st_mode) & ~PRIVATE:
            return
        path.touch(mode=0o600)
    found = path.stat()
    if stat.S_IMODE(found.st_mode) & 0o077 and found.st_uid == os.geteuid():
        path.chmod(0o600)


def _holds_only_ours(folder: Path) -> bool:
    return all(any(fnmatch(entry.name, pattern) for pattern in _OURS) for entry in folder.iterdir())
