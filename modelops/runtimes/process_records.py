"""The files that one engine process leaves in the data folder: its record, its lock and its log.

The lock is the truth about life: the switcher takes it before it forks, the keeper inherits it, and the
kernel drops it with the last of them. So there is no instant at which an engine could run unknown, and no
process id is trusted that a reboot or another program may have taken over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gateway.data_folder import make_private
from modelops.runtimes.process_keeper import write_record

KEPT_LOGS = 10


@dataclass(frozen=True)
class Record:
    """What is known of a workload. Without `pid` and `exit_code` its engine was never forked."""

    name: str
    port: int
    labels: dict[str, str]
    arguments: list[str]
    """With secrets taken out: for people to read."""
    pid: int | None = None
    start_ticks: int | None = None
    keeper_pid: int | None = None
    started_at: float | None = None
    exit_code: int | None = None
    was_oom_killed: bool = False
    host: str = ""
    """The boot and the process namespace that the ids are from."""


class RecordFolder:
    """`<data folder>/engines`; any number of processes may use it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record_path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def log_path(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def names(self) -> list[str]:
        return sorted(path.stem for path in self._folder.glob("*.json"))

    def read(self, name: str) -> Record | None:
        try:
            values: dict[str, Any] = json.loads(self.record_path(name).read_text())
        except FileNotFoundError:
            return None
        known = {item.name for item in fields(Record)}
        return Record(**{key: value for key, value in values.items() if key in known})

    def write(self, record: Record) -> None:
        write_record(self.record_path(record.name), asdict(record))

    def is_held(self, name: str) -> bool:
        """Whether its keeper lives, or somebody is about to start it."""
        try:
            descriptor = os.open(self._lock_path(name), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            # Shared, so that others who look do not see each other; and only for a moment.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    @contextlib.contextmanager
    def try_lock(self, name: str) -> Iterator[int | None]:
        """The descriptor of the lock; None where somebody else has it, if only to look: try again."""
        make_private(self._folder.parent)
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._lock_path(name), os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Somebody may have deleted the file between our opening and locking it.
            yield descriptor if self._is_current(descriptor, name) else None
        except BlockingIOError:
            yield None
        finally:
            os.close(descriptor)

    def delete(self, name: str) -> None:
        """The record and then the lock, which the caller holds; the newest logs of deleted engines stay."""
        self.record_path(name).unlink(missing_ok=True)
        self._lock_path(name).unlink(missing_ok=True)
        orphans = [path for path in self._folder.glob("*.log") if not self.record_path(path.stem).exists()]
        dated = sorted(orphans, key=lambda path: path.stat().st_mtime, reverse=True)
        for path in dated[KEPT_LOGS:]:
            path.unlink(missing_ok=True)

    def _lock_path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"

    def _is_current(self, descriptor: int, name: str) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._lock_path(name).stat())
        except FileNotFoundError:
            return False
