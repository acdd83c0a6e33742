"""Processes that are forked for tests are what processes started by themselves are."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from django.apps import apps

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
from django.db import connections
from gateway.conf import get_config
is_clean = not settings.configured and "gateway.settings" not in sys.modules
is_clean = is_clean and "settings" not in vars(connections) and not get_config.cache_info().currsize
is_reacting = "twisted.internet.reactor" in sys.modules
print(json.dumps([is_clean, threading.active_count(), is_reacting]))
"""
SAY_WHETHER_IMPORTED = "import sys; print('gateway.urls' in sys.modules)"
DRAW = """
import random, secrets
from gateway.ids import new_id
print(new_id(), secrets.token_hex(8), random.random())
"""
LONGEST_NAME_IN_POSTGRES = 63


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


def test_no_settings_and_nothing_that_runs_is_there_before_the_fork(tmp_path: Path) -> None:
    done = run_python(write(tmp_path, PRELOADED), environment=SETTINGS)

    assert json.loads(done.stdout) == [True, 1, False]


@pytest.mark.parametrize("rate", ["3/m", "4/m"])
def test_every_process_reads_settings_of_its_own(tmp_path: Path, rate: str) -> None:
    environment = {**SETTINGS, "GATEWAY_DATA_DIR": str(tmp_path), "LOGIN_RATE": rate}

    done = run_python("manage.py", "shell", "--no-imports", "-c", SAY_SETTINGS, environment=environment)

    assert done.stdout == f"{SETTINGS['SECRET_KEY']} {rate}\n", done.stderr


@pytest.mark.parametrize("own", [{}, {"LOGIN_RATE": "3/m"}, {"LOG_FORMAT": "json"}])
def test_a_process_with_settings_that_no_module_reads_at_its_import_is_forked(
    tmp_path: Path, own: dict[str, str]
) -> None:
    environment = {**SETTINGS, "GATEWAY_DATA_DIR": str(tmp_path), **own}

    done = run_python(
        "manage.py", "shell", "--no-imports", "-c", SAY_WHETHER_IMPORTED, environment=environment
    )

    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize(
    "own",
    [{"DEBUG": "true"}, {"SECRET_KEY": "o" * 40}, {"JWT_SECRET": "o" * 40}, {"JWT_EXPIRE_HOURS": "7"}],
)
def test_a_process_with_other_settings_than_modules_read_at_their_import_begins_anew(
    tmp_path: Path, own: dict[str, str]
) -> None:
    environment = {**SETTINGS, "GATEWAY_DATA_DIR": str(tmp_path), **own}

    done = run_python(
        "manage.py", "shell", "--no-imports", "-c", SAY_WHETHER_IMPORTED, environment=environment
    )

    assert done.stdout == "False\n", done.stderr


def test_no_two_processes_draw_the_same(tmp_path: Path) -> None:
    environment = {**SETTINGS, "GATEWAY_DATA_DIR": str(tmp_path)}
    command = ("manage.py", "shell", "--no-imports", "-c", DRAW)

    one, other = (run_python(*command, environment=environment).stdout.split() for _ in range(2))

    assert len({*one, *other}) == 6


def test_tables_have_the_same_names_on_both_stores() -> None:
    """Models are made before it is known on which database, and PostgreSQL would shorten long names."""
    tables = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]

    assert [name for name in tables if len(name) > LONGEST_NAME_IN_POSTGRES] == []


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
