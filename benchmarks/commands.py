"""What an operator's command costs from a cold process start: `python -m benchmarks.commands --help`.

Each runs as a process of its own on a SQLite database with the shipped profiles. CPU times hold on a machine
that is busy with other work; the clock stands beside them.
"""

from __future__ import annotations

import argparse
import os
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from gateway.conf import BASE_DIR

PROFILE = "llama3-8b-instruct"
MEASURED: Mapping[str, Sequence[str]] = {
    "check_fit PROFILE": ("check_fit", PROFILE, "--hardware", "dual-3090"),
    "model_status": ("model_status",),
    "switch_model --dry-run": ("switch_model", PROFILE, "--dry-run"),
    "recommend": ("recommend", "--hardware", "dual-3090"),
}


@dataclass(frozen=True)
class Cost:
    cpu_s: float
    wall_s: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each is run; medians are printed")
    parser.add_argument("--project", type=Path, default=BASE_DIR, help="another checkout's gateway")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gw-commands-") as folder:
        environment = build_environment(Path(folder))
        for preparation in (["migrate", "-v0"], ["load_profiles"]):
            run_command(options.project, environment, preparation)
        # The first of each compiles what was never imported yet.
        rounds = [
            {name: run_command(options.project, environment, each) for name, each in MEASURED.items()}
            for _ in range(1 + options.rounds)
        ][1:]
    for name in MEASURED:
        cpu_s, wall_s = (median(getattr(each[name], kind) for each in rounds) for kind in ("cpu_s", "wall_s"))
        print(f"{name:24} {cpu_s:6.2f} s of CPU, {wall_s:6.2f} s by the clock")


def build_environment(folder: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return inherited | {
        "GATEWAY_ENV_FILE": os.devnull,
        "GATEWAY_DATA_DIR": str(folder / "data"),
        "SECRET_KEY": secrets.token_hex(32),
        "JWT_SECRET": secrets.token_hex(32),
    }


def run_command(project: Path, environment: Mapping[str, str], arguments: Sequence[str]) -> Cost:
    """From nothing to its end, whatever its verdict or plan says; what is printed is not shown."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=project,
        env=dict(environment),
        capture_output=True,
        text=True,
        check=False,
    )
    wall_s, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if "Traceback" in done.stderr or (done.returncode and not done.stdout):
        sys.exit(f"manage.py {' '.join(arguments)} failed:\n{done.stderr}")
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(cpu_s, wall_s)


if __name__ == "__main__":
    main()
