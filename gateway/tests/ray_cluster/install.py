"""Install Ray into an environment of its own: its dependencies are not the gateway's.

`python -m gateway.tests.ray_cluster.install` needs a package index. What is installed already stays, in
`.ray/` in the project root (GATEWAY_TEST_RAY_DIR names another folder).
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from pathlib import Path

from gateway.tests.needs import PROJECT, run_step

REQUIREMENTS = PROJECT / "requirements"


def install_ray() -> Path:
    """The environment's folder of programs; blocks while something is missing. Raises NeedMissing."""
    folder = Path(os.environ.get("GATEWAY_TEST_RAY_DIR") or PROJECT / ".ray").absolute()
    stamp, programs = folder / "installed.txt", folder / "bin"
    lock = REQUIREMENTS / "ray-lock.txt"
    chosen = lock if lock.is_file() else REQUIREMENTS / "ray.txt"
    given: list[str | Path] = ["-r", chosen, *(["--require-hashes"] if chosen == lock else [])]
    wanted = hashlib.sha256(chosen.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == wanted):
        stamp.unlink(missing_ok=True)
        run_step([sys.executable, "-m", "venv", "--clear", folder])
        run_step([*_choose_installer(programs / "python"), "--quiet", *given])
        stamp.write_text(wanted)
    return programs


def _choose_installer(python: Path) -> list[str | Path]:
    """The command that installs into that environment: uv's, which takes seconds, where there is one."""
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv", "pip", "install", "--python", python]
    return [python, "-m", "pip", "install", "--disable-pip-version-check"]


if __name__ == "__main__":
    print(install_ray())
