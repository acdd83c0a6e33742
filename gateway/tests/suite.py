"""`make test`: the suite on SQLite alone, and beside it on PostgreSQL + Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from gateway.tests.services import ServiceMissing, start_services

NO_TESTS = 5


def main() -> int:
    """Both runs at once, for most tests wait for processes; the second one's output comes when both ended."""
    arguments = sys.argv[1:]
    with tempfile.TemporaryFile() as output, ThreadPoolExecutor(1) as beside:
        on_services = beside.submit(run_on_services, arguments, output)
        print("\n=== The suite on the embedded defaults: SQLite, in-process state", flush=True)
        code = run_suite({}, ["-m", "not vllm and not services", *arguments])
        print("\n=== The suite on PostgreSQL + Redis (it ran beside the other)", flush=True)
        try:
            code_on_services = on_services.result()
        except ServiceMissing as exc:
            print(f"\n!!! NOT TESTED on PostgreSQL + Redis: {exc}", flush=True)
            code_on_services = 1 if os.environ.get("GATEWAY_TEST_REQUIRE") else 0
        output.seek(0)
        sys.stdout.write(output.read().decode(errors="replace"))
    return code or code_on_services


def run_on_services(arguments: list[str], output: IO[bytes]) -> int:
    with start_services() as services:
        stores = {"DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url}
        return run_suite(stores, ["-m", "not vllm and not stores_do_not_matter", *arguments], output)


def run_suite(stores: Mapping[str, str], arguments: list[str], output: IO[bytes] | None = None) -> int:
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    # Nothing of one run lies where the other cleans up.
    environment["PYTEST_ADDOPTS"] = f"-p no:cacheprovider {environment.get('PYTEST_ADDOPTS', '')}"
    command = [sys.executable, "-m", "pytest", *arguments]
    done = subprocess.run(
        command,
        env=environment | dict(stores),
        check=False,
        stdout=output,
        stderr=output and subprocess.STDOUT,
    )
    return 0 if done.returncode == NO_TESTS and len(arguments) > 2 else done.returncode


if __name__ == "__main__":
    sys.exit(main())
