"""`make test`: the suite on SQLite alone, then on PostgreSQL + Redis."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

from gateway.tests.services import ServiceMissing, start_services

NO_TESTS = 5


def main() -> int:
    arguments = sys.argv[1:]
    print("\n=== The suite on the embedded defaults: SQLite, in-process state", flush=True)
    code = run_suite({}, ["-m", "not vllm and not services", *arguments])
    if code:
        return code
    print("\n=== The suite on PostgreSQL + Redis", flush=True)
    try:
        with start_services() as services:
            stores = {"DATABASE_URL": services.database_url, "REDIS_URL": services.redis_url}
            return run_suite(stores, ["-m", "not vllm and not stores_do_not_matter", *arguments])
    except ServiceMissing as exc:
        print(f"\n!!! NOT TESTED on PostgreSQL + Redis: {exc}", flush=True)
        return 1 if os.environ.get("GATEWAY_TEST_REQUIRE") else 0


def run_suite(stores: Mapping[str, str], arguments: list[str]) -> int:
    environment = {k: v for k, v in os.environ.items() if k not in {"DATABASE_URL", "REDIS_URL"}}
    command = [sys.executable, "-m", "pytest", *arguments]
    code = subprocess.run(command, env=environment | dict(stores), check=False).returncode
    return 0 if code == NO_TESTS and len(arguments) > 2 else code


if __name__ == "__main__":
    sys.exit(main())
