from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection

from gateway.tests.forked import ForkedProcess, start_python
from gateway.tests.live import wait_until
from modelops.hardware import HardwareReading
from modelops.hardware.sampling import latest_reading, load_history
from modelops.models import HardwareSample
from modelops.tests.hardware.stub import COMMAND_TIMEOUT_S, StubMachine

pytestmark = pytest.mark.django_db(transaction=True)


def name_test_database() -> str:
    """DATABASE_URL of the database that this test has, for a process beside it."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    login = f"{settings['USER']}:{settings['PASSWORD']}" if settings["PASSWORD"] else settings["USER"]
    return f"postgres://{login}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


@contextmanager
def run_sampler(machine: StubMachine, log_path: Path, *options: str) -> Iterator[ForkedProcess]:
    environment = {
        **machine.environment,
        "DATABASE_URL": name_test_database(),
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
    }
    with log_path.open("wb") as log:
        sampler = start_python(
            "manage.py", "sample_hardware", *options, environment=environment, stdout=log, stderr=log
        )
    try:
        yield sampler
    finally:
        sampler.kill()
        sampler.wait()


def find_sample_with(gpu_count: int) -> HardwareReading | None:
    reading = latest_reading(max_age_s=30)
    return reading if reading and len(reading.usable_gpus) == gpu_count else None


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_loop_stores_each_change_and_ends_at_once(
    machine: StubMachine, tmp_path: Path, how: signal.Signals
) -> None:
    machine.set_state("card 0 compute 4242 800 python3")
    log_path = tmp_path / "sampler.log"

    with run_sampler(machine, log_path, "--interval", "0.05", "--keep", "5", "--own-pid", "4242") as sampler:
        both = wait_until(lambda: find_sample_with(2), timeout_s=COMMAND_TIMEOUT_S, what="a first sample")
        wait_until(lambda: HardwareSample.objects.count() >= 5, what="a full history")
        machine.set_state("card 1 broken 15")
        wait_until(lambda: find_sample_with(1), what="a sample without the lost GPU")
        sampler.send_signal(how)
        code = sampler.wait(10)

    events = [json.loads(line) for line in log_path.read_text().splitlines()]
    assert code == 0
    assert [process.is_ours for process in both.gpus[0].processes] == [True]
    assert HardwareSample.objects.count() == 5
    assert [event["event"] for event in events] == [
        "hardware_changed",
        "hardware_changed",
        "hardware_sampling_stopped",
    ]
    assert events[1]["problems"] == ["GPU 1 is lost: it no longer answers on the PCIe bus."]


def test_a_long_interval_does_not_delay_the_end(machine: StubMachine, tmp_path: Path) -> None:
    machine.set_state()

    with run_sampler(machine, tmp_path / "sampler.log", "--interval", "3600") as sampler:
        wait_until(lambda: find_sample_with(2), timeout_s=COMMAND_TIMEOUT_S, what="a first sample")
        sampler.send_signal(signal.SIGTERM)
        code = sampler.wait(10)

    assert code == 0


def test_a_database_that_is_away_does_not_end_the_loop(machine: StubMachine, tmp_path: Path) -> None:
    machine.set_state()
    log_path = tmp_path / "sampler.log"
    table = connection.ops.quote_name(HardwareSample._meta.db_table)
    away = connection.ops.quote_name("hardware_samples_away")

    with run_sampler(machine, log_path, "--interval", "0.05") as sampler:
        wait_until(lambda: find_sample_with(2), timeout_s=COMMAND_TIMEOUT_S, what="a first sample")
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {table} RENAME TO {away}")
            try:
                wait_until(lambda: "hardware_sample_not_stored" in log_path.read_text(), what="a warning")
            finally:
                cursor.execute(f"ALTER TABLE {away} RENAME TO {table}")
        stored = HardwareSample.objects.count()
        wait_until(lambda: HardwareSample.objects.count() > stored, what="samples again")
        sampler.terminate()
        code = sampler.wait(10)

    assert code == 0


def test_once_stores_one_reading_and_ends(machine: StubMachine) -> None:
    machine.set_state("init 18")

    done = machine.manage("sample_hardware", "--once", environment={"DATABASE_URL": name_test_database()})

    assert (done.returncode, done.stderr) == (0, "")
    (entry,) = load_history()
    assert entry.reading.problem is not None
    assert entry.host == os.uname().nodename


def test_once_fails_when_nothing_can_be_stored(machine: StubMachine, tmp_path: Path) -> None:
    machine.set_state()
    empty = f"sqlite:///{tmp_path / 'empty.sqlite3'}"

    done = machine.manage("sample_hardware", "--once", environment={"DATABASE_URL": empty})

    assert done.returncode == 1
    assert "could not be stored" in done.stderr
