"""Install Ray into an environment of its own: its dependencies are not the gateway's.

`python -m gateway.tests.ray_cluster.install` needs a package index. What is installed already stays, in
`.ray/` in the project root (GATEWAY_TEST_RAY_DIR names another folder).
"""

from __future__ import annotations

import os
from pathlib import Path

from gateway.tests.locked_environment import install_locked
from gateway.tests.needs import PROJECT


def install_ray() -> Path:
    """The environment's folder of programs; blocks while something is missing. Raises NeedMissing."""
    folder = Path(os.environ.get("GATEWAY_TEST_RAY_DIR") or PROJECT / ".ray").absolute()
    return install_locked(folder, PROJECT / "requirements" / "ray-lock.txt")


if __name__ == "__main__":
    print(install_ray())
