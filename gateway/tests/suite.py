"""`make test`: checks, and the suite on SQLite, on PostgreSQL + Redis, with a browser and with Docker."""

from __future__ import annotations

import argparse
import functools
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gateway.tests.databases import SHARED_FOLDER
from gateway.tests.needs import Finding, NeedMissing, must_have_everything, try_needs
from gateway.tests.parts import Part, read_plan
from gateway.tests.services import start_services

TESTS_FAILED = 1
NO_TESTS = 5
IN_TWO_PROCESSES = ("-n", "2", "--dist", "loadfile")
LARGE = frozenset({Part.EMBEDDED, Part.BROWSER})
"""Parts that would end long after the others in one process."""
BEHIND_THE_LONGEST = ("nice", "-n", "5")
"""The part with a browser takes longest, and nothing that is done beside it may hold it up."""
OWN_NETWORK = ("unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh")
"""For the part with Docker: for each change of its network Chromium ends its requests."""
POLL_S = 0.05
END_TIMEOUT_S = 10.0


@dataclass
class Job:
    """A process beside others. What it prints goes to the terminal at once, or is kept until it is shown."""

    title: str
    command: Sequence[str]
    environment: Mapping[str, str]
    output: IO[bytes] | None = None
    code: int = 0
    took_s: float = 0.0

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output and subprocess.STDOUT,
        )
        self._waiting = threading.Thread(target=self._wait, args=(time.monotonic(),))
        self._waiting.start()

    @property
    def is_running(self) -> bool:
        return self._waiting.is_alive()

    def finish(self) -> None:
        """Wait for its end, and show what it printed if that has not been seen yet."""
        self._waiting.join()
        if self.output is not None:
            print(f"\n=== {self.title} (beside the others)", flush=True)
            self.output.seek(0)
            sys.stdout.write(self.output.read().decode(errors="replace"))
            sys.stdout.flush()

    def end(self) -> None:
        """Let it end by itself where Ctrl-C has reached it too, and else as if it had."""
        self._waiting.join(END_TIMEOUT_S)
        if self.is_running:
            self._process.send_signal(signal.SIGINT)
            self._waiting.join(END_TIMEOUT_S)
        if self.is_running:
            self._process.kill()
        self._waiting.join()

    def _wait(self, started_at: float) -> None:
        self.code = self._process.wait()
        self.took_s = time.monotonic() - started_at


class Suite:
    """One run of it. Everything that it starts ends with `stack`."""

    def __init__(self, stack: ExitStack, paths: Sequence[str], beside: Sequence[str]) -> None:
        self._stack = stack
        self._paths = paths
        self._beside = beside
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gw-suite-")))
        self._plan = self._folder / "plan"
        self._unused_stores: list[dict[str, str]] = []
        self._missing_stores = ""
        self._jobs: list[Job] = []

    def try_needs(self) -> bool:
        """Say what there is on this machine. False where something is missing and nothing may be."""
        findings = [self.start_stores(), *try_needs()]
        print("=== What the tests need of this machine", *findings, sep="\n", flush=True)
        return not (must_have_everything() and any(finding.problem for finding in findings))

    def start_stores(self) -> Finding:
        finding = Finding("PostgreSQL and Redis", "everything on them")
        try:
            services = self._stack.enter_context(start_services())
        except (NeedMissing, OSError) as exc:
            self._missing_stores = str(exc)
            return Finding(finding.name, finding.untested, problem=str(exc))
        self._unused_stores.append({"DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url})
        return finding

    def run(self) -> int:
        """The exit status.

        All parts at once, as most tests wait for processes; the one with Docker after them where it can have
        no network of its own. The first part collects all tests and says which files the others need. With
        GATEWAY_TEST_RETRY, what failed is run once more when everything else has ended, and only what fails
        again counts. Both outcomes are printed.
        """
        beside = [self._start(command, shlex.split(command), os.environ) for command in self._beside]
        first = self._start_part(Part.EMBEDDED, self._paths, is_shown_at_once=True)
        parts = [first]
        plan = self._wait_for_plan(first)
        left = [] if self._has_own_network else plan.pop(Part.DOCKER, [])
        for part, files in plan.items():
            for share in self._divide(part, files):
                if share and self._can_run(part):
                    parts.append(self._start_part(part, share))
        first.finish()
        for job in self._jobs:
            if job is not first:
                job.finish()
        for share in self._divide(Part.DOCKER, left):
            parts.append(self._start_part(Part.DOCKER, share))
            parts[-1].finish()
        if os.environ.get("GATEWAY_TEST_RETRY"):
            for job in parts:
                if job.code == TESTS_FAILED:
                    self._retry(job, "--last-failed", "-n", "0")
            for job in beside:
                if job.code:
                    self._retry(job)
        return self._sum_up()

    def _divide(self, part: Part, files: Sequence[str]) -> list[Sequence[str]]:
        """What is left to start of a part. A whole run's on services are two, each with its own servers."""
        if part is Part.EMBEDDED or not files:
            return []
        if self._paths:
            return [self._paths]
        return [files[::2], files[1::2]] if part is Part.SERVICES else [files]

    @functools.cached_property
    def _has_own_network(self) -> bool:
        try:
            return not subprocess.run([*OWN_NETWORK, "true"], capture_output=True, check=False).returncode
        except OSError:
            return False

    def _can_run(self, part: Part) -> bool:
        if part is not Part.SERVICES or self._unused_stores:
            return True
        if not self._missing_stores:
            self.start_stores()
        return bool(self._unused_stores)

    def _wait_for_plan(self, first: Job) -> dict[Part, list[str]]:
        """Empty where the first part ended before it had collected its tests."""
        while not self._plan.exists():
            if not first.is_running:
                return {}
            time.sleep(POLL_S)
        return read_plan(self._plan)

    def _start_part(self, part: Part, tests: Sequence[str], *, is_shown_at_once: bool = False) -> Job:
        cache = self._folder / f"cache-{len(self._jobs)}"  # each remembers its own failures
        command = [sys.executable, "-m", "pytest", "--part", part, "-o", f"cache_dir={cache}", *tests]
        if not self._paths:
            command.append("--sample")
        if part in LARGE and not self._paths:
            command += IN_TWO_PROCESSES
        if part is Part.DOCKER and self._has_own_network:
            command = [*OWN_NETWORK, *command]
        if part is not Part.BROWSER:
            command = [*BEHIND_THE_LONGEST, *command]
        environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
        environment[SHARED_FOLDER] = str(self._folder)
        if part is Part.SERVICES:
            environment |= self._unused_stores.pop()
        if part is Part.EMBEDDED:
            environment["GATEWAY_TEST_PLAN"] = str(self._plan)
        return self._start(f"The suite {part.place}", command, environment, is_shown_at_once=is_shown_at_once)

    def _start(
        self,
        title: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        is_shown_at_once: bool = False,
    ) -> Job:
        output = None
        if is_shown_at_once:
            print(f"\n=== {title}", flush=True)
        else:
            output = self._stack.enter_context((self._folder / f"output-{len(self._jobs)}").open("w+b"))
        job = Job(title, command, environment, output)
        job.start()
        self._stack.callback(job.end)
        self._jobs.append(job)
        return job

    def _retry(self, job: Job, *arguments: str) -> None:
        print(f"\n!!! FAILED: {job.title}. The same once more, alone", flush=True)
        again = Job(job.title, [*job.command, *arguments], job.environment)
        again.start()
        again.finish()
        job.code = again.code
        if not again.code:
            print("!!! It passed alone: something in it does not hold under load", flush=True)

    def _sum_up(self) -> int:
        print("\n=== In short")
        if self._missing_stores:
            print(f"!!! NOT TESTED on PostgreSQL + Redis: {self._missing_stores}")
        for job in self._jobs:
            if job.code == NO_TESTS and self._paths:
                job.code = 0  # of the paths that were asked for, a part may have none
            print(f"{job.title}: {'passed' if not job.code else 'FAILED'} ({job.took_s:.0f} s)")
        if self._missing_stores and must_have_everything():
            return TESTS_FAILED
        return next((job.code for job in self._jobs if job.code), 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--beside",
        action="append",
        default=[],
        help="A command to run beside the tests; its failure is one. Can be given several times.",
    )
    parser.add_argument("paths", nargs="*", help="Run the tests there alone.")
    options = parser.parse_args()
    with ExitStack() as stack:
        suite = Suite(stack, options.paths, options.beside)
        if not options.paths and not suite.try_needs():
            return TESTS_FAILED
        return suite.run()


if __name__ == "__main__":
    sys.exit(main())
