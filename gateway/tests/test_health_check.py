"""The health check of the image, as Docker runs it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway import health_check
from gateway.conf import BASE_DIR
from gateway.tests.live import GatewayProcess
from modelops.simulator.process import find_free_port


def test_command_of_the_image_is_well_with_a_ready_gateway(gateway: GatewayProcess) -> None:
    dockerfile = (BASE_DIR / "Dockerfile").read_text()
    [command] = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", dockerfile, re.MULTILINE)
    _python, *arguments = json.loads(command)

    done = subprocess.run(
        [sys.executable, *arguments, str(urlsplit(gateway.url).port)],
        cwd=BASE_DIR,
        capture_output=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_service_that_does_not_listen_is_not_well() -> None:
    port = find_free_port()

    assert health_check.find_problem(port).startswith(f"port {port}: ")


def test_other_status_is_told(gateway: GatewayProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_check, "REQUEST", b"GET /health/nothing HTTP/1.0\r\nHost: localhost\r\n\r\n")

    assert " 404 " in health_check.find_problem(urlsplit(gateway.url).port or 0)


def test_it_needs_no_more_than_pythons_own_modules() -> None:
    source = Path(health_check.__file__).read_text()

    imported = set(re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE))
    assert imported == {"__future__", "os", "socket", "sys", "time"}


@pytest.mark.parametrize(
    ("age_s", "problem"), [(1, ""), (60, "nothing done for 60 s"), (None, "it has not begun")]
)
def test_switcher_is_well_while_it_does_its_rounds(tmp_path: Path, age_s: int | None, problem: str) -> None:
    heartbeat = tmp_path / health_check.HEARTBEAT
    if age_s is not None:
        heartbeat.touch()
        os.utime(heartbeat, (time.time() - age_s,) * 2)

    done = subprocess.run(
        [sys.executable, "-I", "-S", health_check.__file__, health_check.SWITCHER],
        env={"GATEWAY_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == bool(problem)
    assert done.stderr.startswith(problem)
