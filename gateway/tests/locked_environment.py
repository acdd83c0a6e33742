"""Environments of their own for tests, installed from a lock with hashes. What is installed already stays."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path

from gateway.tests.needs import run_step


def install_locked(folder: Path, lock: Path) -> Path:
    """The environment's folder of programs; blocks while something is missing. Raises NeedMissing."""
    stamp, programs = folder / "installed.txt", folder / "bin"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == wanted):
        stamp.unlink(missing_ok=True)
        run_step([sys.executable, "-m", "venv", "--clear", folder])
        run_step([*_installer(programs / "python"), "--quiet", "--require-hashes", "-r", lock])
        stamp.write_text(wanted)
    return programs


def _installer(python: Path) -> list[str | Path]:
    """The command that installs into that environment: uv's, which takes seconds, where there is one."""
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv", "pip", "install", "--python", python]
    return [python, "-m", "pip", "install", "--disable-pip-version-check"]
