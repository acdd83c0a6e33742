"""Install the clients of the matrix, each language's into an environment of its own.

`python -m gateway.tests.clients.install` needs a package index and npm. What is installed already stays:
for Python in `.clients/` in the project root (GATEWAY_TEST_CLIENTS_DIR names another folder), for Node in
`node_modules` beside the programs.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from gateway.tests.locked_environment import install_locked
from gateway.tests.needs import NO_NODE, PROJECT, NeedMissing, run_step

REQUIREMENTS = PROJECT / "requirements" / "clients-lock.txt"
NODE_PROGRAMS = Path(__file__).with_name("node")


@dataclass(frozen=True, kw_only=True)
class Interpreters:
    """What runs the programs of the clients."""

    python: Path
    node: str


def install_clients() -> Interpreters:
    """Both environments, complete; blocks while something is missing. Raises NeedMissing."""
    return Interpreters(python=_install_python(), node=_install_node())


def _install_python() -> Path:
    folder = Path(os.environ.get("GATEWAY_TEST_CLIENTS_DIR") or PROJECT / ".clients").absolute()
    return install_locked(folder, REQUIREMENTS) / "python"


def _install_node() -> str:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NeedMissing(NO_NODE)
    stamp = NODE_PROGRAMS / "node_modules" / ".installed"
    wanted = _fingerprint(NODE_PROGRAMS / "package-lock.json")
    if not (stamp.is_file() and stamp.read_text() == wanted):
        run_step([npm, "ci", "--silent", "--no-audit", "--no-fund"], folder=NODE_PROGRAMS)
        stamp.write_text(wanted)
    return node


def _fingerprint(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes()).hexdigest()


if __name__ == "__main__":
    print(install_clients())
