"""What a gateway costs while nobody uses it, and what it costs to start: `python -m benchmarks.idle --help`.

It runs `manage.py run_embedded` in a folder of its own: web process, switcher and simulated engine. Printed
are the CPU times of each process, from /proc, as a share of one core.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path

import psutil

from benchmarks.process_usage import read_cpu_s
from benchmarks.stores import Stores, running_stores
from gateway.conf import BASE_DIR
from modelops.simulator.process import find_free_port

GREETING = "Ctrl-C stops"
START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
SETTLE_S = 10.0
"""After the greeting: what a start leaves to do is not what being idle costs."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to watch")
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL and Redis")
    parser.add_argument("--starts", type=int, default=0, help="measure so many warm starts instead")
    parser.add_argument("--project", type=Path, default=BASE_DIR, help="another checkout's gateway")
    options = parser.parse_args()
    stores = running_stores() if options.postgres else nullcontext(Stores())
    with stores as running, tempfile.TemporaryDirectory(prefix="gw-idle-") as folder:
        environment = build_environment(running, Path(folder))
        # The first start makes the database and the secrets.
        with running_gateway(options.project, environment, Path(folder)) as process:
            if not options.starts:
                print_shares(process, options.seconds)
        for _ in range(options.starts):
            print_start(options.project, environment, Path(folder))


def build_environment(stores: Stores, folder: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return inherited | {
        "DATABASE_URL": stores.database_url,
        "REDIS_URL": stores.redis_url,
        "GATEWAY_ENV_FILE": os.devnull,
        "GATEWAY_DATA_DIR": str(folder / "data"),
        "GATEWAY_PORT": str(find_free_port()),
        # In the embedded shape they are made at the first start.
        "SECRET_KEY": secrets.token_hex(32),
        "JWT_SECRET": secrets.token_hex(32),
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def running_gateway(project: Path, environment: Mapping[str, str], folder: Path) -> Iterator[psutil.Process]:
    """The embedded gateway, once it has greeted; stopped at the end."""
    output = folder / "output.log"
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run_embedded"],
            cwd=project,
            env=dict(environment),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while GREETING not in output.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the gateway did not start:\n{output.read_text()}")
            time.sleep(0.02)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)


def print_shares(gateway: psutil.Process, seconds: float) -> None:
    time.sleep(SETTLE_S)
    processes = [gateway, *gateway.children(recursive=True)]
    before = {each.pid: read_cpu_s(each.pid) for each in processes}
    begun = time.monotonic()
    time.sleep(seconds)
    spent_s = time.monotonic() - begun
    shares = {each.pid: (read_cpu_s(each.pid) - before[each.pid]) / spent_s for each in processes}
    for each in processes:
        print(f"{100 * shares[each.pid]:6.2f} %  {' '.join(each.cmdline()[1:5])[:70]}")
    print(f"{100 * sum(shares.values()):6.2f} % of a core in all, over {spent_s:.0f} s")


def print_start(project: Path, environment: Mapping[str, str], folder: Path) -> None:
    """Wall and CPU seconds from nothing to the greeting, on data that is there."""
    begun = time.monotonic()
    with running_gateway(project, environment, folder) as gateway:
        wall_s = time.monotonic() - begun
        cpu_s = sum(read_cpu_s(each.pid) for each in [gateway, *gateway.children(recursive=True)])
    print(f"greeting after {wall_s:.2f} s, {cpu_s:.2f} s of CPU in all processes")


if __name__ == "__main__":
    main()
