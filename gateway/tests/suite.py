"""`make test`: the suite on SQLite, on PostgreSQL + Redis, and what needs a Docker engine or a browser."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from gateway.tests.services import ServiceMissing, start_services

TESTS_FAILED = 1
NO_TESTS = 5


@dataclass(frozen=True)
class Run:
    """A part of the suite, as a pytest of its own."""

    title: str
    markers: str
    needs_services: bool = False


RUNS = (
    Run("on the embedded defaults: SQLite, in-process state", "not (vllm or services or docker or browser)"),
    Run(
        "on PostgreSQL + Redis",
        "not (vllm or stores_do_not_matter or docker or browser)",
        needs_services=True,
    ),
    Run("with a Docker engine, and with a browser", "(docker or browser) and not vllm"),
)


def main() -> int:
    """All at once, as most tests wait for processes; whose output is not shown at once comes at the end.

    With GATEWAY_TEST_RETRY, what failed is run once more when everything else has ended, and only what fails
    again counts. Both outcomes are printed.
    """
    arguments = sys.argv[1:]
    with ExitStack() as stack:
        caches = [stack.enter_context(tempfile.TemporaryDirectory(prefix="gw-cache-")) for _ in RUNS]
        codes = run_all(arguments, caches)
        if os.environ.get("GATEWAY_TEST_RETRY"):
            for index, run in enumerate(RUNS):
                if codes[index] == TESTS_FAILED:
                    print(f"\n!!! FAILED {run.title}. The same tests once more, alone", flush=True)
                    codes[index] = carry_out(run, ["--last-failed", *arguments], caches[index])
                    if not codes[index]:
                        print("!!! They passed alone: something in them does not hold under load", flush=True)
    return next((code for code in codes if code), 0)


def run_all(arguments: list[str], caches: list[str]) -> list[int]:
    """The exit status of each run."""
    with ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in RUNS[1:]]
        pool = stack.enter_context(ThreadPoolExecutor(len(outputs)))
        beside = [
            pool.submit(carry_out, run, arguments, cache, output)
            for run, cache, output in zip(RUNS[1:], caches[1:], outputs, strict=True)
        ]
        print(f"\n=== The suite {RUNS[0].title}", flush=True)
        codes = [carry_out(RUNS[0], arguments, caches[0])]
        for run, output, future in zip(RUNS[1:], outputs, beside, strict=True):
            print(f"\n=== The suite {run.title} (it ran beside the first)", flush=True)
            codes.append(future.result())
            output.seek(0)
            sys.stdout.write(output.read().decode(errors="replace"))
        return codes


def carry_out(run: Run, arguments: list[str], cache: str, output: IO[bytes] | None = None) -> int:
    """Its exit status. `output` gets what it says; None: stdout does."""
    if not run.needs_services:
        return run_pytest(run, {}, arguments, cache, output)
    try:
        with start_services() as services:
            stores = {"DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url}
            return run_pytest(run, stores, arguments, cache, output)
    except ServiceMissing as exc:
        missing = f"!!! NOT TESTED on PostgreSQL + Redis: {exc}\n"
        if output is None:
            sys.stdout.write(missing)
        else:
            output.write(missing.encode())
        return 1 if os.environ.get("GATEWAY_TEST_REQUIRE") else 0


def run_pytest(
    run: Run, stores: Mapping[str, str], arguments: list[str], cache: str, output: IO[bytes] | None
) -> int:
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    done = subprocess.run(
        # A cache of its own: each run remembers its own failures.
        [sys.executable, "-m", "pytest", "-o", f"cache_dir={cache}", "-m", run.markers, *arguments],
        env=environment | dict(stores),
        check=False,
        stdout=output,
        stderr=output and subprocess.STDOUT,
    )
    # Of the paths that were asked for, a run may have none.
    return 0 if done.returncode == NO_TESTS and arguments else done.returncode


if __name__ == "__main__":
    sys.exit(main())
