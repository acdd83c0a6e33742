"""Processes that are forked for tests are what processes started by themselves are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from gateway.tests.databases import SETTINGS
from gateway.tests.forked import run_python, start_python

SAY = """
import json, os, sys
print(json.dumps({"argv": sys.argv, "environment": dict(os.environ), "folder": os.getcwd()}))
print("no good", file=sys.stderr)
sys.exit(7)
"""
SAY_SETTINGS = "from django.conf import settings; print(settings.SECRET_KEY, settings.LOGIN_RATE)"
PRELOADED = """
import json, sys, threading
from django.conf import settings
ours = {n for n in sys.modules if n.split(".")[0] in {"accounts", "chat", "conversations", "modelops"}}
ours = sorted(n for n in ours - {"modelops"} if not n.startswith("modelops.domain"))
is_reacting = "twisted.internet.reactor" in sys.modules
print(json.dumps([settings.configured, ours, threading.active_count(), is_reacting]))
"""


def write(folder: Path, source: str) -> str:
    path = folder / "script.py"
    path.write_text(source)
    return str(path)


def test_a_process_has_its_own_arguments_environment_output_and_exit_status(tmp_path: Path) -> None:
    script = write(tmp_path, SAY)

    done = run_python(script, "one", "two", environment={"ONLY": "this"})

    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (7, "no good\n")
    assert said["argv"] == [script, "one", "two"]
    assert said["environment"] == {"ONLY": "this"}
    assert said["folder"] == os.getcwd()


def test_an_exception_is_printed_and_is_status_1(tmp_path: Path) -> None:
    done = run_python(write(tmp_path, "1 / 0"), environment={})

    assert done.returncode == 1
    assert done.stderr.endswith("ZeroDivisionError: division by zero\n")


def test_nothing_of_ours_that_reads_settings_is_there_before_the_fork(tmp_path: Path) -> None:
    done = run_python(write(tmp_path, PRELOADED), environment={})

    assert json.loads(done.stdout) == [False, [], 1, False]


@pytest.mark.parametrize("rate", ["3/m", "4/m"])
def test_every_process_reads_settings_of_its_own(tmp_path: Path, rate: str) -> None:
    environment = {**SETTINGS, "GATEWAY_DATA_DIR": str(tmp_path), "LOGIN_RATE": rate}

    done = run_python("manage.py", "shell", "--no-imports", "-c", SAY_SETTINGS, environment=environment)

    assert done.stdout == f"{SETTINGS['SECRET_KEY']} {rate}\n", done.stderr


def test_a_process_reads_and_answers_and_is_ended_by_a_signal(tmp_path: Path) -> None:
    echo = write(tmp_path, "while True: print(input().upper(), flush=True)")

    process = start_python(echo, environment={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    with process.stdin, process.stdout:
        process.stdin.write("hello\n")
        process.stdin.flush()
        heard = process.stdout.readline()
        was_running = process.poll() is None
        process.kill()
        status = process.wait(10)

    assert (heard, was_running, status) == ("HELLO\n", True, -signal.SIGKILL)
    assert process.poll() == -signal.SIGKILL


def test_a_process_that_goes_on_is_ended_when_its_time_is_over(tmp_path: Path) -> None:
    folder = tmp_path / "shown"
    script = write(tmp_path, f"import os, time; os.mkdir({str(folder)!r} + str(os.getpid())); time.sleep(60)")

    with pytest.raises(subprocess.TimeoutExpired):
        run_python(script, environment={}, timeout_s=1)

    pids = [int(path.name.removeprefix("shown")) for path in tmp_path.glob("shown*")]
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
