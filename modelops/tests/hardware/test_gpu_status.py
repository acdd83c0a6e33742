from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from django.core.management import call_command

from gateway.conf import BASE_DIR
from modelops.hardware import GpuReading, HardwareReading
from modelops.hardware.problems import LIBRARY_NOT_FOUND, describe_machine_failure
from modelops.hardware.sampling import record_reading
from modelops.models import SwitcherPresence
from modelops.tests.hardware.stub import COMMAND_TIMEOUT_S, StubMachine, manage

BUSY = (
    "card 0 memory 24576 12154",
    "card 0 load 97 61",
    "card 0 heat 74",
    "card 0 power 341500",
    "card 0 compute 4242 12010 VLLM::Worker_TP0",
    "card 1 memory 24576 10290",
    "card 1 compute 911 10240 /opt/train/bin/python3",
)


def test_the_table_shows_memory_load_heat_power_and_whose_processes(machine: StubMachine) -> None:
    machine.set_state(*BUSY)

    done = machine.manage("gpu_status", "--own-pid", "4242")

    assert (done.returncode, done.stderr) == (0, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[0].startswith("2 GPUs driver 570.124.06 CUDA 12.8 ")
    assert "GPU 0 NVIDIA GeForce RTX 3090 compute 8.6 PCIe 4.0 x8 (at most 4.0 x16) 00000000:01:00.0" in lines
    assert "memory [###############...............] 11.9 of 24.0 GiB used, 11.9 GiB free" in lines
    assert "load 97 % (memory 61 %) 74 °C 342 of 350 W 1695 MHz, memory 9751 MHz" in lines
    assert "ours 11.7 GiB pid 4242 VLLM::Worker_TP0" in lines
    assert "foreign 10.0 GiB pid 911 /opt/train/bin/python3" in lines
    assert "GPU 0 to GPU 1: PCIe, through the host bridge, no direct memory access" in lines
    assert any(line.startswith("! GPU 1: 10.0 GiB are held by /opt/train/bin/python3") for line in lines)


def test_one_lost_gpu_is_shown_with_advice_and_the_other_keeps_the_exit_code(machine: StubMachine) -> None:
    machine.set_state("card 1 broken 15")

    done = machine.manage("gpu_status")

    assert done.returncode == 0
    assert "NOT USABLE" in done.stdout
    assert "! GPU 1 is lost: it no longer answers on the PCIe bus." in done.stdout
    assert "Xid" in done.stdout


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (["init 18"], "of different versions"),
        (["init 9"], "kernel module is not loaded"),
        (["init 4"], "may not use the NVIDIA driver"),
        (["card 0 broken 15", "card 1 broken 15"], "GPU 1 is lost"),
    ],
)
def test_no_usable_gpu_is_exit_code_3(machine: StubMachine, state: list[str], message: str) -> None:
    machine.set_state(*state)

    done = machine.manage("gpu_status")

    assert done.returncode == 3
    assert message in " ".join(done.stdout.split())


def test_a_machine_without_nvidias_library_gets_advice_and_exit_code_3() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}

    done = manage("gpu_status", "--json", environment=environment)

    shown = json.loads(done.stdout)
    if shown["gpus"]:
        pytest.skip("this machine has GPUs")
    assert done.returncode == 3
    assert [problem["code"] for problem in shown["problems"]] == ["library_missing"]
    assert "install" in shown["problem"]["advice"]


def test_json_is_the_reading_and_all_problems_in_one_list(machine: StubMachine) -> None:
    machine.set_state(*BUSY)

    done = machine.manage("gpu_status", "--json", "--own-pid", "4242")

    shown = json.loads(done.stdout)
    assert done.returncode == 0
    assert [len(gpu.processes or ()) for gpu in HardwareReading.from_json(shown).gpus] == [1, 1]
    assert [(problem["code"], problem["gpu_index"]) for problem in shown["problems"]] == [("memory_taken", 1)]


def test_watch_follows_changes_and_ends_at_once(machine: StubMachine) -> None:
    machine.set_state()

    with subprocess.Popen(
        [sys.executable, "manage.py", "gpu_status", "--json", "--watch", "0.05"],
        cwd=BASE_DIR,
        env=machine.environment,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    ) as watching:
        assert watching.stdout is not None
        first = json.loads(watching.stdout.readline())
        machine.set_state("card 0 broken 15", "card 1 broken 15")
        last = next(shown for line in watching.stdout if (shown := json.loads(line))["problems"])
        watching.send_signal(signal.SIGINT)
        watching.communicate(timeout=COMMAND_TIMEOUT_S)

    assert first["problems"] == []
    assert [problem["code"] for problem in last["problems"]] == ["gpu_lost", "gpu_lost"]
    assert watching.returncode == 3


@pytest.mark.django_db
def test_history_shows_what_was_stored() -> None:
    gpu = GpuReading(index=0, used_bytes=3 << 30, utilization_percent=55, temperature_c=61, power_w=200.4)
    record_reading(HardwareReading(datetime(2026, 11, 22, 12, 30, tzinfo=UTC), gpus=(gpu,)), host="box")
    table, entries = io.StringIO(), io.StringIO()

    call_command("gpu_status", "--history", stdout=table)
    call_command("gpu_status", "--history", "--json", stdout=entries)

    newest = " ".join(table.getvalue().splitlines()[1].split())
    assert newest == "2026-11-22 12:30:00 box 0 3.0 GiB 55 % 61 °C 200 W"
    assert [entry["host"] for entry in json.loads(entries.getvalue())] == ["box"]


@pytest.mark.django_db
def test_no_history_yet_says_how_to_get_one() -> None:
    shown = io.StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("gpu_status", "--history", stdout=shown)

    assert ended.value.code == 3
    assert "sample_hardware" in shown.getvalue()


@pytest.mark.parametrize("period", ["0", "-1", "nan", "inf", "soon"])
def test_a_watch_period_that_is_no_time_is_refused(machine: StubMachine, period: str) -> None:
    done = machine.manage("gpu_status", f"--watch={period}")

    assert done.returncode == 2
    assert "seconds above 0" in done.stderr


@pytest.mark.django_db
def test_where_no_gpu_is_seen_those_of_the_switcher_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = HardwareReading(
        datetime.now(UTC), problem=describe_machine_failure(LIBRARY_NOT_FOUND, "no library")
    )
    monkeypatch.setattr("modelops.management.commands.gpu_status.read_hardware", lambda _pids: absent)
    SwitcherPresence.objects.create(host="gpu-box", pid=1, slots=[])

    alone, _code = run_status()
    card = GpuReading(0, name="NVIDIA GeForce RTX 3090", total_bytes=24 * 2**30, free_bytes=2**30)
    record_reading(HardwareReading(datetime.now(UTC), gpus=(card,)), host="gpu-box")
    told, code = run_status()
    as_json, _code = run_status("--json")

    assert alone.startswith("No GPU is seen from here")
    assert "which runs on gpu-box" in alone
    assert told.startswith("No GPU is seen from here. As the switcher on gpu-box sees them:")
    assert "RTX 3090" in told
    assert code == 0
    assert json.loads(as_json)["seen_by"] == "gpu-box"


def run_status(*options: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("gpu_status", *options, stdout=out)
    except SystemExit as exc:
        return out.getvalue(), int(str(exc.code))
    return out.getvalue(), 0
