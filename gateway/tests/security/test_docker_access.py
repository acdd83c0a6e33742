"""Whoever starts containers is root on the machine: the switcher may, and nothing that answers requests."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import yaml

from gateway.conf import BASE_DIR

SOCKET = "/var/run/docker.sock"

LOAD_THE_WEB_PROCESS = """
import json, sys
import gateway.asgi
from django.urls import get_resolver
from django.contrib import admin
patterns = get_resolver().url_patterns
assert admin.site._registry
rooms = {"docker", "pynvml", "modelops", "chat"}
print(json.dumps([name for name in sys.modules if name.split(".")[0] in rooms]))
"""


def test_web_process_loads_nothing_that_starts_engines_or_touches_gpus() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOAD_THE_WEB_PROCESS],
        cwd=BASE_DIR,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )

    loaded = json.loads(done.stdout.splitlines()[-1])

    assert {
        "chat.plane",
        "modelops.api.profile_views",
        "modelops.admin",
        "modelops.switching.requests",
    } <= set(loaded)
    forbidden = ("docker", "pynvml", "modelops.hardware.nvml", "modelops.runtimes", "modelops.switcher")
    assert [name for name in loaded if name.startswith(forbidden)] == []


def test_only_the_switcher_is_given_the_docker_socket() -> None:
    services = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]

    holders = [name for name, service in services.items() if SOCKET in json.dumps(service)]

    assert holders == ["switcher"]
    assert not any(service.get("privileged") for service in services.values())
