"""The two native programs, compiled when they are needed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benchmarks.children import BenchmarkError

SOURCES = Path(__file__).parent / "native"


@dataclass(frozen=True)
class Programs:
    mock_engine: Path
    load_generator: Path


def build_programs(folder: Path) -> Programs:
    """Compile both into `folder`, in about a second. Raises BenchmarkError without a C compiler."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise BenchmarkError(
            "The benchmark needs a C compiler (Debian: `apt-get install gcc libc6-dev`): its load generator "
            "and its engine must cost far less than the gateway that they measure."
        )
    return Programs(*(_compile(compiler, folder, name) for name in ("mock_engine", "load_generator")))


def _compile(compiler: str, folder: Path, name: str) -> Path:
    program = folder / name
    command = [compiler, "-std=gnu11", "-O2", "-Wall", "-o", str(program), str(SOURCES / f"{name}.c")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if result.returncode:
        raise BenchmarkError(f"{name}.c does not compile:\n{result.stderr}")
    return program
