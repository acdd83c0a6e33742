"""Engines as processes of this machine: `vllm serve`, or the simulator on our own Python."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gateway.conf import GatewayConfig
from gateway.wording import fill_in
from modelops.runtimes.base import (
    SLOT_LABEL,
    FetchProgress,
    Instance,
    InstanceState,
    LogFollower,
    RuntimeFailure,
    RuntimeUnavailable,
    Workload,
)
from modelops.runtimes.pid_cache import PidCache
from modelops.runtimes.process_downloads import download_weights
from modelops.runtimes.process_environment import (
    build_download_environment,
    build_engine_environment,
    find_hub_cache,
)
from modelops.runtimes.process_keeper import read_start_ticks
from modelops.runtimes.process_logs import ProcessLogFollower
from modelops.runtimes.process_records import Record, RecordFolder
from modelops.runtimes.process_sessions import find_members, identify_host, kill_orphans
from modelops.runtimes.weights import find_downloads

HOST = "127.0.0.1"
START_TIMEOUT_S = 15.0
REMOVE_TIMEOUT_S = 30.0
KEEPER_PATIENCE_S = 5.0
"""A keeper that does not notice its engine's end for this long is killed too."""
_KEEPER = Path(__file__).with_name("process_keeper.py")
_KEEPERS_LOCK = 3
_POLL_S = 0.01


class ProcessRuntime:
    """A Runtime. What it knows lies in `<data folder>/engines`, so that any process of this user sees it."""

    def __init__(self, config: GatewayConfig) -> None:
        self._config = config
        self._records = RecordFolder(Path(config.data_dir) / "engines")
        self._pids = PidCache()
        self._keepers: list[int] = []

    def describe(self) -> dict[str, Any]:
        folder = Path(self._config.data_dir)
        is_writable = os.access(_find_existing(folder), os.W_OK)
        cache = _find_existing(find_hub_cache(self._config, os.environ))
        return {
            "problem": ""
            if is_writable
            else fill_in("{folder} cannot be written: check GATEWAY_DATA_DIR", folder=folder),
            "vllm": shutil.which(self._config.vllm_command) or "",
            "free_bytes": shutil.disk_usage(cache).free,
            "has_hf_token": bool(self._config.hf_token),
        }

    def prefetch(
        self, workload: Workload, report: Callable[[FetchProgress], None], stop: threading.Event
    ) -> str:
        environment = build_download_environment(self._config, workload, os.environ)
        for weights in find_downloads(workload, is_folder=os.path.isdir):
            download_weights(weights, environment, report, stop)
        return ""

    def start(self, workload: Workload) -> Instance:
        argv = self._argv(workload)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            instance = self.status(workload.name)
            if instance.state is InstanceState.RUNNING:
                return instance
            if instance.state is InstanceState.EXITED:
                raise RuntimeFailure(
                    fill_in(
                        "The process {name} has already run (code {exit_code}): remove it.",
                        name=workload.name,
                        exit_code=instance.exit_code,
                    )
                )
            with _translated_errors(), self._records.try_lock(workload.name) as lock:
                if lock is not None and not self._has_run(workload.name):
                    self._fork(workload, argv, lock)
                    break
            if time.monotonic() > deadline:
                raise RuntimeFailure(fill_in("{name} is being started by somebody else.", name=workload.name))
            time.sleep(_POLL_S)
        return self.status(workload.name)

    def resize(self, workload: Workload) -> None:
        """Each workload is one engine."""

    def status(self, name: str) -> Instance:
        self._reap()
        with _translated_reads():
            record = self._read_settled(name)
            if record is None:
                return Instance(name, InstanceState.ABSENT)
            is_running = record.exit_code is None and record.pid is not None and self._records.is_held(name)
            if record.exit_code is None and not is_running:
                # It may have ended between the two looks.
                record = self._records.read(name) or record
            return self._read(record, is_running=is_running)

    def ask_to_stop(self, name: str) -> None:
        record = self._read_settled(name)
        if record is not None and _is_alive(record):
            with contextlib.suppress(ProcessLookupError):
                os.kill(record.pid or 0, signal.SIGTERM)

    def remove(self, name: str) -> None:
        start = time.monotonic()
        while (record := self._read_settled(name)) is not None:
            waited_s = time.monotonic() - start
            with self._records.try_lock(name) as lock:
                # Without its keeper there may be orphans, which are given time to go.
                if lock is not None and not _kill_orphans(record):
                    self._records.delete(name)
                    return
            if lock is None:
                _kill(record, with_keeper=waited_s > KEEPER_PATIENCE_S)
            if waited_s > REMOVE_TIMEOUT_S:
                raise RuntimeFailure(
                    fill_in(
                        "The process {pid} of {name} does not end after SIGKILL.", pid=record.pid, name=name
                    )
                )
            time.sleep(_POLL_S)
            self._reap()

    def follow_log(self, name: str) -> LogFollower:
        if self._records.read(name) is None:
            raise RuntimeFailure(fill_in("There is no process {name}.", name=name))
        return ProcessLogFollower(self._records.log_path(name), lambda: self._records.is_held(name))

    def list_instances(self, slot_id: str) -> Sequence[Instance]:
        with _translated_reads():
            instances = [self.status(name) for name in self._records.names()]
        return [instance for instance in instances if instance.labels.get(SLOT_LABEL) == slot_id]

    def close(self) -> None:
        self._reap()

    def _argv(self, workload: Workload) -> list[str]:
        if workload.is_simulated:
            return [sys.executable, "-m", "modelops.simulator", *workload.arguments]
        program = shutil.which(self._config.vllm_command)
        if program is None:
            raise RuntimeFailure(
                fill_in(
                    "There is no program {vllm_command}: install vLLM, or set VLLM_COMMAND.",
                    vllm_command=self._config.vllm_command,
                ),
                code="program_missing",
            )
        return [program, *workload.arguments]

    def _fork(self, workload: Workload, argv: list[str], lock: int) -> None:
        """Write the record, then start the keeper and leave the lock to it."""
        taken = {record.port for name in self._records.names() if (record := self._records.read(name))}
        port = _find_free_port(taken)
        secrets = set(workload.secret_environment.values()) - {""}
        self._records.write(
            Record(
                name=workload.name,
                port=port,
                labels=workload.labels,
                arguments=["***" if argument in secrets else argument for argument in workload.arguments],
                host=identify_host(),
            )
        )
        command = [sys.executable, "-IS", str(_KEEPER), str(self._records.record_path(workload.name))]
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions = [
            (os.POSIX_SPAWN_DUP2, lock, _KEEPERS_LOCK),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self._records.log_path(workload.name)), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        self._keepers.append(
            os.posix_spawn(
                sys.executable,
                [*command, *argv, "--host", HOST, "--port", str(port)],
                build_engine_environment(self._config, workload, os.environ),
                file_actions=actions,
                setsid=True,
            )
        )

    def _has_run(self, name: str) -> bool:
        record = self._records.read(name)
        return record is not None and (record.pid is not None or record.exit_code is not None)

    def _read_settled(self, name: str) -> Record | None:
        """The record; while a keeper is just starting its engine, wait for it to have done so."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            record = self._records.read(name)
            if record is None or record.pid is not None or record.exit_code is not None:
                return record
            if not self._records.is_held(name):
                # It may have written its record between the two looks.
                return self._records.read(name)
            if time.monotonic() > deadline:
                raise RuntimeFailure(fill_in("The start of {name} hangs.", name=name))
            time.sleep(_POLL_S)

    def _read(self, record: Record, *, is_running: bool) -> Instance:
        reference = f"{record.pid}@{record.start_ticks}" if record.pid else ""
        has_run = record.pid is not None or record.exit_code is not None
        pid = record.pid or 0
        ended = InstanceState.EXITED if has_run else InstanceState.CREATED
        return Instance(
            name=record.name,
            state=InstanceState.RUNNING if is_running else ended,
            reference=reference,
            base_url=f"http://{HOST}:{record.port}",
            exit_code=record.exit_code,
            was_oom_killed=record.was_oom_killed,
            started_at=datetime.fromtimestamp(record.started_at, UTC) if record.started_at else None,
            pids=self._pids.get(reference, lambda: tuple(find_members(pid))) if is_running else (),
            labels=record.labels,
        )

    def _reap(self) -> None:
        """Take note of keepers of ours that ended, so that none stays a zombie."""
        for pid in list(self._keepers):
            try:
                is_alive = os.waitpid(pid, os.WNOHANG) == (0, 0)
            except ChildProcessError:
                is_alive = False
            if not is_alive:
                self._keepers.remove(pid)


def _is_alive(record: Record) -> bool:
    """Whether the process id on record still means the engine."""
    return (
        record.pid is not None
        and record.exit_code is None
        and record.host == identify_host()
        and read_start_ticks(record.pid) == record.start_ticks
    )


def _kill(record: Record, *, with_keeper: bool) -> None:
    if not _is_alive(record):
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(record.pid or 0, signal.SIGKILL)
        if with_keeper and record.keeper_pid is not None:
            os.kill(record.keeper_pid, signal.SIGKILL)


def _kill_orphans(record: Record) -> bool:
    """Whether a killed keeper left processes behind; they are being killed now."""
    if record.pid is None or record.exit_code is not None or record.host != identify_host():
        return False
    return bool(kill_orphans(record.pid, record.start_ticks))


def _find_free_port(taken: set[int]) -> int:
    """A port that was free a moment ago; one that an engine is about to bind does not count as free."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if port not in taken:
            return port


def _find_existing(path: Path) -> Path:
    """`path` or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())


@contextlib.contextmanager
def _translated_errors() -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        code = "no_disk" if exc.errno in {errno.ENOSPC, errno.EDQUOT} else "runtime_error"
        raise RuntimeFailure(
            fill_in("The engine's files cannot be written: {problem}", problem=exc), code=code
        ) from exc


@contextlib.contextmanager
def _translated_reads() -> Iterator[None]:
    """Without its records nothing is known of an engine: it must not be taken for absent."""
    try:
        yield
    except OSError as exc:
        raise RuntimeUnavailable(
            fill_in("The records of engine processes cannot be read: {problem}", problem=exc),
            advice=fill_in("Check GATEWAY_DATA_DIR, its disk and who owns it."),
        ) from exc
