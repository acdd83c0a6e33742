"""Stands in for NVIDIA's `nvidia-container-runtime-hook`: what it takes for dockerd to accept GPU requests.

dockerd looks for that name on its PATH when it starts, and runs it in place of NVIDIA's before a container
that asked for GPUs. Like the real one it refuses cards that it does not know, and gives no real ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

# The cards of modelops/tests/hardware/nvml_stub.c.
GPU_UUIDS = tuple(f"GPU-5f0c3a7e-1b2d-4c3e-9a8b-{number:012d}" for number in range(2))

_HOOK = f"""\
#!{sys.executable} -IS
import json, pathlib, sys

if sys.argv[1:2] == ["prestart"]:
    bundle = pathlib.Path(json.load(sys.stdin)["bundle"])
    environment = json.loads((bundle / "config.json").read_text())["process"]["env"]
    asked = dict(item.split("=", 1) for item in environment).get("NVIDIA_VISIBLE_DEVICES", "")
    for device in filter(None, asked.split(",")):
        if device not in {(*GPU_UUIDS, "all", "none", "void")!r}:
            sys.exit(f"nvidia-container-cli: device error: {{device}}: unknown device")
"""


def write_hook(folder: Path) -> Path:
    """`folder`, with the hook in it; for DockerEngine's `hooks`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "nvidia-container-runtime-hook"
    path.write_text(_HOOK)
    path.chmod(0o755)
    return folder
