"""A machine with GPUs that tests make up: the real pynvml over a library compiled from nvml_stub.c."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.conf import BASE_DIR
from gateway.tests.forked import run_python
from gateway.tests.needs import NeedMissing
from modelops.hardware import HardwareReading

SOURCE = Path(__file__).with_name("nvml_stub.c")
LIBRARY = "libnvidia-ml.so.1"
COMMAND_TIMEOUT_S = 60


class CompilerMissing(NeedMissing):
    """The stub cannot be compiled here; the message says why."""


def compile_stub(folder: Path, *flags: str) -> Path:
    """Compile the stub into `folder`, which goes on LD_LIBRARY_PATH. Raises CompilerMissing."""
    if sys.platform != "linux":
        raise CompilerMissing("no way to put a library before the system's own, but on Linux")
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise CompilerMissing("no C compiler for the stub GPU library: install gcc or clang, or set CC")
    flags = ("-O1", "-Wall", "-Werror", "-shared", "-fPIC", f"-Wl,-soname,{LIBRARY}", *flags)
    subprocess.run([compiler, *flags, "-o", str(folder / LIBRARY), str(SOURCE)], check=True)
    return folder


@dataclass(frozen=True)
class StubMachine:
    """`library` is the folder of the stub, `state` the file that it reads at every call."""

    library: Path
    state: Path

    def set_state(self, *statements: str) -> None:
        """Replace the machine's state at once, so that no reader sees half of it."""
        draft = self.state.with_suffix(".draft")
        draft.write_text("\n".join(statements) + "\n", encoding="utf-8")
        draft.replace(self.state)

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LD_LIBRARY_PATH": str(self.library),
            "NVML_STUB_STATE": str(self.state),
            "PYTHONIOENCODING": "utf-8",
        }

    def start_reader(self) -> GpuReader:
        return GpuReader(self.environment)

    def read(self, *, own_pids: Iterable[int] = ()) -> HardwareReading:
        """One reading, in a process of its own: pynvml loads its library once a process."""
        with self.start_reader() as reader:
            return reader.read(own_pids=own_pids)

    def manage(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return manage(*arguments, environment={**self.environment, **(environment or {})})


class GpuReader:
    """A process that reads its GPUs whenever it is asked to."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "modelops.tests.hardware.reader_process"],
            cwd=BASE_DIR,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def read(self, *, own_pids: Iterable[int] = ()) -> HardwareReading:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(sorted(own_pids)) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the reading process died"
        return HardwareReading.from_json(json.loads(line))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=COMMAND_TIMEOUT_S)


def manage(*arguments: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return run_python("manage.py", *arguments, environment=environment, timeout_s=COMMAND_TIMEOUT_S)
