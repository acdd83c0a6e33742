from __future__ import annotations

import ctypes
import os

import pytest

from modelops.domain.fit.specs import MIB
from modelops.hardware import (
    GpuLink,
    GpuProcess,
    HardwareReading,
    LinkPath,
    PcieLink,
    ProblemCode,
    list_problems,
)
from modelops.tests.hardware.stub import GpuReader, StubMachine

RESERVED = 268 * MIB


def test_two_3090s_are_read_in_full(machine: StubMachine) -> None:
    machine.set_state(
        "card 0 memory 24576 22130",
        "card 0 load 97 61",
        "card 0 heat 74",
        "card 0 power 341500",
        "card 0 compute 4242 22010 VLLM::Worker_TP0",
    )

    reading = machine.read(own_pids={4242})

    first, second = reading.gpus
    assert reading.problem is None
    assert (reading.driver_version, reading.cuda_version) == ("570.124.06", "12.8")
    assert {gpu.name for gpu in reading.gpus} == {"NVIDIA GeForce RTX 3090"}
    assert first.uuid == "GPU-5f0c3a7e-1b2d-4c3e-9a8b-000000000000"
    assert second.uuid == "GPU-5f0c3a7e-1b2d-4c3e-9a8b-000000000001"
    assert (first.total_bytes, first.used_bytes) == (24576 * MIB, 22130 * MIB)
    assert (first.reserved_bytes, first.free_bytes) == (RESERVED, (24576 - 22130) * MIB - RESERVED)
    assert (first.utilization_percent, first.memory_utilization_percent) == (97, 61)
    assert (first.temperature_c, first.power_w, first.power_limit_w) == (74, 341.5, 350.0)
    assert (first.graphics_clock_mhz, first.memory_clock_mhz) == (1695, 9751)
    assert (first.compute_capability, first.pci_bus_id) == ((8, 6), "00000000:01:00.0")
    assert first.pcie == PcieLink(generation=4, width=8, max_generation=4, max_width=16)
    assert first.processes == (GpuProcess(4242, 22010 * MIB, "VLLM::Worker_TP0", is_ours=True),)
    assert (second.utilization_percent, second.processes) == (0, ())


def test_pairs_say_what_lies_between_them(machine: StubMachine) -> None:
    with machine.start_reader() as reader:
        machine.set_state("path 30")
        through_host = reader.read()
        machine.set_state("bridge 4")
        bridged = reader.read()

    assert through_host.links == (GpuLink(0, 1, LinkPath.HOST_BRIDGE, has_peer_access=False),)
    assert bridged.links == (GpuLink(0, 1, LinkPath.NVLINK, nvlinks=4, has_peer_access=True),)


def test_a_running_reader_sees_every_change(machine: StubMachine) -> None:
    with machine.start_reader() as reader:
        machine.set_state("card 1 memory 24576 1")
        before = reader.read()
        machine.set_state("card 1 memory 24576 20000", "card 1 heat 80")
        after = reader.read()

    assert [gpu.used_bytes for gpu in before.gpus] == [MIB, MIB]
    assert [gpu.used_bytes for gpu in after.gpus] == [MIB, 20000 * MIB]
    assert after.gpus[1].temperature_c == 80
    assert after.taken_at > before.taken_at


def test_a_lost_gpu_gets_its_message_and_the_other_is_read_on(machine: StubMachine) -> None:
    with machine.start_reader() as reader:
        machine.set_state()
        before = reader.read()
        machine.set_state("card 1 broken 15", "card 0 heat 50")
        after = reader.read()

    (problem,) = list_problems(after)
    assert list_problems(before) == ()
    assert (problem.code, problem.gpu_index) == (ProblemCode.GPU_LOST, 1)
    assert problem.message == "GPU 1 is lost: it no longer answers on the PCIe bus."
    assert "dmesg" in problem.advice and "reboot" in problem.advice
    assert [gpu.index for gpu in after.usable_gpus] == [0]
    assert after.gpus[0].temperature_c == 50
    assert after.links == ()


def test_a_gpu_lost_in_the_middle_of_a_reading_keeps_what_was_read(machine: StubMachine) -> None:
    machine.set_state("refuse nvmlDeviceGetPowerUsage 15")

    first = machine.read().gpus[0]

    assert first.problem is not None and first.problem.code is ProblemCode.GPU_LOST
    assert first.name == "NVIDIA GeForce RTX 3090"
    assert first.processes is None


@pytest.mark.parametrize(
    ("code", "expected", "advice"),
    [
        (4, ProblemCode.GPU_NO_PERMISSION, "/dev/nvidia1"),
        (8, ProblemCode.GPU_NEEDS_POWER, "power cable"),
        (16, ProblemCode.GPU_NEEDS_RESET, "--gpu-reset -i 1"),
        (28, ProblemCode.GPU_LOST, "Xid"),
        (999, ProblemCode.GPU_UNREADABLE, "dmesg"),
    ],
)
def test_what_else_a_gpu_can_have_has_its_own_advice(
    machine: StubMachine, code: int, expected: ProblemCode, advice: str
) -> None:
    machine.set_state(f"card 1 broken {code}")

    reading = machine.read()

    (problem,) = list_problems(reading)
    assert (problem.code, problem.gpu_index) == (expected, 1)
    assert advice in problem.advice
    assert [gpu.index for gpu in reading.usable_gpus] == [0]


def test_a_foreign_process_with_10_gib_is_named_and_ours_is_not(machine: StubMachine) -> None:
    machine.set_state(
        "card 0 memory 24576 20000",
        "card 0 compute 4242 19900 VLLM::EngineCore",
        "card 1 memory 24576 20580",
        "card 1 compute 4243 10240 VLLM::Worker_TP1",
        "card 1 compute 911 10240 /opt/train/bin/python3",
        "card 1 graphics 800 40 /usr/lib/xorg/Xorg",
    )

    reading = machine.read(own_pids={4242, 4243})

    (problem,) = list_problems(reading)
    assert (problem.code, problem.gpu_index) == (ProblemCode.MEMORY_TAKEN, 1)
    assert problem.message == (
        "GPU 1: 10.1 GiB are held by /opt/train/bin/python3 (pid 911), /usr/lib/xorg/Xorg (pid 800), "
        "not by this gateway."
    )
    assert "gpu_memory_utilization" in problem.advice
    assert {process.pid: process.is_ours for process in reading.gpus[1].processes or ()} == {
        4243: True,
        911: False,
        800: False,
    }
    assert len(reading.usable_gpus) == 2


def test_memory_of_processes_that_are_not_listed_is_told_too(machine: StubMachine) -> None:
    machine.set_state("card 0 memory 24576 10240")

    (problem,) = list_problems(machine.read())

    assert problem.message == (
        "GPU 0: 10.0 GiB are held by processes that are not listed, not by this gateway."
    )
    assert "--pid host" in problem.advice


def test_a_process_in_two_lists_counts_once(machine: StubMachine) -> None:
    machine.set_state("card 0 compute 77 500 game", "card 0 graphics 77 700 game")

    assert machine.read().gpus[0].processes == (GpuProcess(77, 700 * MIB, "game"),)


def test_a_process_name_brings_neither_arguments_nor_control_characters(machine: StubMachine) -> None:
    machine.set_state("card 0 compute 77 500 \x1b[31mtool --api-key=hunter2")

    (process,) = machine.read().gpus[0].processes or ()

    assert process.name == "?[31mtool"


def test_single_fields_that_a_card_lacks_are_none(machine: StubMachine) -> None:
    lacking = ("PowerUsage", "UtilizationRates", "TemperatureV", "Temperature", "MemoryInfo", "MemoryInfo_v2")
    machine.set_state(*(f"refuse nvmlDeviceGet{name} 3" for name in lacking))

    gpu = machine.read().gpus[0]

    assert (gpu.power_w, gpu.utilization_percent, gpu.temperature_c, gpu.total_bytes) == (None,) * 4
    assert gpu.problem is None
    assert gpu.power_limit_w == 350.0


def test_an_old_driver_is_read_without_its_newer_functions(old_machine: StubMachine) -> None:
    old_machine.set_state("card 0 memory 24576 1000", "card 0 heat 66", "card 0 compute 9 700 python3")

    reading = old_machine.read()

    first = reading.gpus[0]
    assert (first.used_bytes, first.reserved_bytes) == (1000 * MIB + RESERVED, None)
    assert (first.temperature_c, first.power_limit_w) == (66, 350.0)
    assert first.processes == (GpuProcess(9, 700 * MIB, "python3"),)
    assert reading.links == (GpuLink(0, 1),)


@pytest.mark.parametrize(
    ("code", "expected", "message", "advice"),
    [
        (9, ProblemCode.DRIVER_NOT_LOADED, "kernel module is not loaded", "modprobe nvidia"),
        (18, ProblemCode.VERSION_MISMATCH, "different versions", "Reboot the host"),
        (4, ProblemCode.NO_PERMISSION, "may not use", "/dev/nvidia*"),
        (13, ProblemCode.DRIVER_TOO_OLD, "too old", "Update the driver"),
        (999, ProblemCode.NVML_FAILED, "Unknown Error (code 999)", "container anew"),
    ],
)
def test_a_driver_that_does_not_start_says_what_to_do(
    machine: StubMachine, code: int, expected: ProblemCode, message: str, advice: str
) -> None:
    machine.set_state(f"init {code}")

    reading = machine.read()

    assert reading.problem is not None
    assert (reading.problem.code, reading.gpus) == (expected, ())
    assert message in reading.problem.message
    assert advice in reading.problem.advice
    assert list_problems(reading) == (reading.problem,)


def test_a_driver_that_comes_back_is_read_again(machine: StubMachine) -> None:
    with machine.start_reader() as reader:
        machine.set_state("init 9")
        before = reader.read()
        machine.set_state()
        after = reader.read()

    assert (len(before.gpus), len(after.gpus)) == (0, 2)
    assert after.problem is None


def test_a_driver_that_cannot_count_its_gpus_is_a_problem_not_an_error(machine: StubMachine) -> None:
    machine.set_state("refuse nvmlDeviceGetCount_v2 999")

    problem = machine.read().problem

    assert problem is not None and problem.code is ProblemCode.NVML_FAILED


def test_a_driver_without_gpus_says_where_to_look(machine: StubMachine) -> None:
    machine.set_state("cards 0")

    problem = machine.read().problem

    assert problem is not None and problem.code is ProblemCode.NO_GPU
    assert "lspci" in problem.advice


def test_a_machine_without_nvidias_library_is_told_so() -> None:
    if _has_nvidia_library():
        pytest.skip("this machine has NVIDIA's library")
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}

    with GpuReader(environment) as reader:
        reading = reader.read()

    assert reading.problem is not None
    assert reading.problem.code is ProblemCode.LIBRARY_MISSING
    assert "libnvidia-ml.so.1" in reading.problem.message
    assert "simulated engine" in reading.problem.advice
    assert (reading.gpus, reading.links, reading.driver_version) == ((), (), None)


def test_a_reading_survives_json_and_what_other_versions_wrote(machine: StubMachine) -> None:
    machine.set_state("card 1 broken 15", "card 0 compute 5 600 python3", "bridge 2")
    reading = machine.read()
    stored = reading.to_json() | {"from_the_future": True}
    del stored["links"]

    loaded = HardwareReading.from_json(stored)

    assert HardwareReading.from_json(reading.to_json()) == reading
    assert loaded.gpus == reading.gpus
    with pytest.raises(ValueError, match="taken_at"):
        HardwareReading.from_json({"gpus": []})


def _has_nvidia_library() -> bool:
    try:
        ctypes.CDLL("libnvidia-ml.so.1")
    except OSError:
        return False
    return True
