"""Engines as processes: nothing is ever lost, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.conf import BASE_DIR
from gateway.tests.live import wait_until
from modelops.runtimes.base import InstanceState, RuntimeFailure, Workload
from modelops.runtimes.process_environment import build_download_environment, build_engine_environment
from modelops.runtimes.process_records import KEPT_LOGS
from modelops.runtimes.process_runtime import ProcessRuntime
from modelops.tests.runtimes.benches import HUB_SECRETS, SECRETS, ProcessBench

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: there is no /proc"),
]

MARK = "GATEWAY_TEST_MARK"
# Starts the workload and is killed: after so many seconds, or around the fork.
STARTER = """
import os, signal, sys
from gateway.conf import GatewayConfig
from modelops.runtimes.base import Workload
from modelops.runtimes.process_runtime import ProcessRuntime

def die(*arguments, **options):
    os.kill(os.getpid(), signal.SIGKILL)

def fork_and_die(*arguments, **options):
    fork(*arguments, **options)
    die()

folder, command, name, when = sys.argv[1:]
runtime = ProcessRuntime(GatewayConfig(data_dir=folder, vllm_command=command))
workload = Workload(name=name, slot_id="slot", generation=1, profile="p", is_simulated=False,
                    arguments=("serve", "wait"), environment={"GATEWAY_TEST_MARK": name})
if when in {"before the fork", "after the fork"}:
    fork, os.posix_spawn = os.posix_spawn, die if when == "before the fork" else fork_and_die
else:
    signal.signal(signal.SIGALRM, die)
    signal.setitimer(signal.ITIMER_REAL, float(when))
runtime.start(workload)
die()
"""


def start_and_kill_the_starter(bench: ProcessBench, when: str) -> Workload:
    workload = bench.workload()
    arguments = [str(bench.folder), str(bench.folder / "vllm"), workload.name, when]
    done = subprocess.run([sys.executable, "-c", STARTER, *arguments], cwd=BASE_DIR, check=False)
    assert done.returncode == -signal.SIGKILL
    return replace(workload, environment={MARK: workload.name})


def assert_starts_once_and_goes(bench: ProcessBench, workload: Workload) -> None:
    """Whatever was left behind, one more start makes it exactly one engine, and a removal none."""
    bench.runtime.start(workload)
    engines = [pid for pid in find_marked(workload.name) if is_engine(pid)]
    assert len(engines) == 1
    assert bench.runtime.status(workload.name).pids == tuple(engines)
    bench.runtime.remove(workload.name)
    assert find_marked(workload.name) == []


def find_marked(name: str) -> list[int]:
    """Every process of this machine that was started for the workload, found without its records."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_marked = f"{MARK}={name}".encode() in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if is_marked:
            found.append(int(folder.name))
    return found


def read_record(bench: ProcessBench, name: str) -> dict[str, object]:
    record: dict[str, object] = json.loads((bench.folder / "engines" / f"{name}.json").read_text())
    return record


def is_present(pid: object) -> bool:
    """Zombies too."""
    return Path(f"/proc/{pid}").exists()


def is_engine(pid: int) -> bool:
    """Not its keeper, which has the same environment."""
    return b"process_keeper.py" not in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.mark.parametrize(
    ("when", "state"),
    [("before the fork", InstanceState.CREATED), ("after the fork", InstanceState.RUNNING)],
)
def test_a_starter_killed_around_the_fork_leaves_what_status_tells(
    process_bench: ProcessBench, when: str, state: InstanceState
) -> None:
    workload = start_and_kill_the_starter(process_bench, when)

    assert process_bench.runtime.status(workload.name).state is state
    assert [item.name for item in process_bench.runtime.list_instances("slot")] == [workload.name]
    assert_starts_once_and_goes(process_bench, workload)


def test_a_starter_killed_at_any_instant_leaves_nothing_unfindable(process_bench: ProcessBench) -> None:
    seen = set()
    for number in range(32):
        # From a tenth of a millisecond to a third of a second.
        workload = start_and_kill_the_starter(process_bench, str(0.0001 * 1.3**number))

        state = process_bench.runtime.status(workload.name).state
        seen.add(state)
        if state is not InstanceState.RUNNING:
            assert find_marked(workload.name) == []
        assert_starts_once_and_goes(process_bench, workload)
    assert InstanceState.RUNNING in seen
    assert len(seen) > 1, "no start was interrupted"


def test_an_engine_ends_with_its_killed_keeper_and_leaves_no_orphan(process_bench: ProcessBench) -> None:
    workload = process_bench.workload("start-a-child")
    workload = replace(workload, environment={MARK: workload.name})
    process_bench.runtime.start(workload)
    process_bench.wait_for_line(workload.name, "waiting")
    keeper = read_record(process_bench, workload.name)["keeper_pid"]
    assert isinstance(keeper, int)

    os.kill(keeper, signal.SIGKILL)
    instance = process_bench.wait_for(workload.name, InstanceState.EXITED)
    process_bench.runtime.remove(workload.name)

    assert instance.exit_code is None
    assert find_marked(workload.name) == []


def test_a_process_that_took_over_the_id_is_not_touched(process_bench: ProcessBench) -> None:
    """As after a reboot: the record names a process that is somebody else's by now."""
    name = process_bench.start("exit-with-3").name
    keeper = read_record(process_bench, name)["keeper_pid"]
    wait_until(lambda: process_bench.runtime.status(name) and not is_present(keeper), what="its keeper's end")
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        record = read_record(process_bench, name) | {"pid": stranger.pid, "exit_code": None}
        (process_bench.folder / "engines" / f"{name}.json").write_text(json.dumps(record))

        process_bench.runtime.ask_to_stop(name)
        assert process_bench.runtime.status(name).state is InstanceState.EXITED
        process_bench.runtime.remove(name)

        assert stranger.poll() is None
        stranger.communicate(b"\n")
    assert stranger.returncode == 0


def test_no_keeper_stays_a_zombie(process_bench: ProcessBench) -> None:
    name = process_bench.start("exit-with-3").name
    keeper = read_record(process_bench, name)["keeper_pid"]

    wait_until(
        lambda: process_bench.runtime.status(name) and not is_present(keeper), what="the keeper to be reaped"
    )


def test_an_engine_killed_for_memory_says_so(process_bench: ProcessBench) -> None:
    group = Path("/sys/fs/cgroup/memory/gateway-test")
    limit = group / "memory.limit_in_bytes"
    if not limit.parent.parent.is_dir():
        group, limit = Path("/sys/fs/cgroup/gateway-test"), Path("/sys/fs/cgroup/gateway-test/memory.max")
    try:
        group.mkdir(exist_ok=True)
        limit.write_text(str(48 * 2**20))
    except OSError as exc:
        pytest.skip(f"NOT TESTED, no memory limit can be set here: {exc}")
    try:
        name = process_bench.start("fill-memory-when-told").name
        process_bench.wait_for_line(name, "waiting")
        (pid,) = process_bench.runtime.status(name).pids
        (group / "cgroup.procs").write_text(str(pid))

        process_bench.runtime.ask_to_stop(name)
        instance = process_bench.wait_for(name, InstanceState.EXITED)

        assert instance.exit_code == 137
        assert instance.was_oom_killed
    finally:
        wait_until(lambda: not (group / "cgroup.procs").read_text(), what="the group to be empty")
        group.rmdir()


def test_a_missing_vllm_says_how_to_name_it(process_bench: ProcessBench) -> None:
    runtime = ProcessRuntime(replace(process_bench.config, vllm_command="no-such-vllm"))

    with pytest.raises(RuntimeFailure, match="VLLM_COMMAND") as caught:
        runtime.start(process_bench.workload())

    assert caught.value.code == "program_missing"
    assert runtime.describe()["vllm"] == ""


def test_each_engine_has_its_own_port(process_bench: ProcessBench) -> None:
    names = [process_bench.start().name for _ in range(5)]

    assert len({process_bench.runtime.status(name).base_url for name in names}) == 5


def test_records_and_logs_are_for_their_owner_and_hold_no_secret(process_bench: ProcessBench) -> None:
    arguments = ("serve", "wait", "--api-key", SECRETS["VLLM_API_KEY"])
    process_bench.start(arguments=arguments, secret_environment=SECRETS)

    files = list((process_bench.folder / "engines").iterdir())

    assert {path.suffix for path in files} == {".json", ".lock", ".log"}
    for path in files:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert not any(secret in path.read_text() for secret in SECRETS.values())


def test_the_newest_logs_of_removed_engines_are_kept(process_bench: ProcessBench) -> None:
    names = [process_bench.start("exit-with-3").name for _ in range(KEPT_LOGS + 2)]
    for name in names:
        process_bench.wait_for(name, InstanceState.EXITED)
        process_bench.runtime.remove(name)

    left = sorted(path.name for path in (process_bench.folder / "engines").iterdir())

    assert len(left) == KEPT_LOGS
    assert {Path(name).suffix for name in left} == {".log"}


def test_an_engine_sees_only_its_own_gpus(process_bench: ProcessBench) -> None:
    some = process_bench.workload(gpu_uuids=("GPU-1", "GPU-2"))
    none = process_bench.workload()

    assert build_engine_environment(process_bench.config, some, {})["CUDA_VISIBLE_DEVICES"] == "GPU-1,GPU-2"
    assert build_engine_environment(process_bench.config, none, {})["CUDA_VISIBLE_DEVICES"] == ""


def test_of_our_environment_only_what_is_known_and_no_secret_is_passed_on(
    process_bench: ProcessBench,
) -> None:
    ours = {
        **{
            "PATH": "/bin",
            "HF_HOME": "/cache",
            "HF_TOKEN_PATH": "/t",
            "NCCL_DEBUG": "INFO",
            "https_proxy": "p",
        },
        **{"HF_TOKEN": "x", "VLLM_API_KEY": "x", "SECRET_KEY": "x", "DATABASE_URL": "x", "PYTHONPATH": "x"},
        **{"VLLM_BASE_URL": "x", "GATEWAY_ADMIN_PASSWORD": "x", "REDIS_URL": "x"},
    }

    workload = process_bench.workload(secret_environment=SECRETS, hub_environment=HUB_SECRETS)
    engine = build_engine_environment(process_bench.config, workload, ours)
    download = build_download_environment(process_bench.config, workload, ours)

    known = {
        *("PATH", "HF_HOME", "NCCL_DEBUG", "https_proxy"),
        *("PYTHONUNBUFFERED", "CUDA_VISIBLE_DEVICES"),
    }
    assert engine.keys() == {*known, "HF_HUB_OFFLINE", "VLLM_API_KEY"}
    assert download.keys() == {*known, "HF_TOKEN_PATH", "HF_TOKEN"}
    assert "x" not in {*engine.values(), *download.values()}
