"""What the lists of the operators' desk cost: `python -m benchmarks.desk [--rounds N] [--messages N]`.

Fills PostgreSQL with 10,000 accounts, 1,000,000 messages, 50 profiles and 300 switches, and what goes with
them, and opens every list of the admin, the front page and the pages about people by Django's test client,
in one process.
Printed are the number of queries and the time of the server, as CPU time of this process and of PostgreSQL,
which holds on a shared machine too. Bounds: 12 queries, and 300 ms.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.children import BenchmarkError
from benchmarks.gateway_process import PROJECT, gateway_environment
from benchmarks.stores import running_stores

NO_ENGINE_PORT = 9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--messages", type=int, default=1_000_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gwb-") as folder, running_stores() as stores:
        if stores.missing:
            raise BenchmarkError(stores.missing)
        environment = gateway_environment(
            stores, engine_port=NO_ENGINE_PORT, folder=Path(folder), password=""
        )
        environment["PYTHONPATH"] = os.pathsep.join(sys.path)
        run(environment, "manage.py", "migrate", "--no-input", "-v", "0")
        run(environment, "manage.py", "load_profiles")
        begun = time.monotonic()
        run(environment, "-m", "benchmarks.desk_filling", str(options.messages))
        print(f"{options.messages:,} messages stored in {time.monotonic() - begun:.0f} s\n", flush=True)
        measured = (str(options.rounds), str(stores.postgres_pid))
        print(run(environment, "-m", "benchmarks.desk_lists", *measured))


def run(environment: dict[str, str], *arguments: str) -> str:
    """What Python prints, with the gateway's settings. Raises BenchmarkError."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(arguments[:2])} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
