"""What a developer types: pytest by itself and with coverage, and the development file for Docker Compose."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import yaml

from gateway.conf import BASE_DIR
from gateway.management.commands.run_web import Command

A_FILE = "gateway/tests/test_names.py"


def run_pytest(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run_module("pytest", "-q", "-p", "no:cacheprovider", *arguments, **environment)


def run_module(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`python -m` as a new shell starts it: nothing of this run's stores and settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=BASE_DIR,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_pytest_alone_runs_on_sqlite() -> None:
    done = run_pytest(A_FILE, "gateway/tests/test_batching_connection.py", "-k", "names or pid or ended")

    assert done.returncode == 0, done.stdout
    assert "needs PostgreSQL + Redis: this is the run on the embedded defaults" in done.stdout


def test_pytest_measures_coverage(tmp_path: Any) -> None:
    # A report of everything parses every module of the product, which is ten seconds of work.
    some = "--include=gateway/conf*.py,gateway/tests/*"
    data = {"COVERAGE_FILE": str(tmp_path / "coverage")}

    done = run_pytest(A_FILE, "--cov", "--cov-report=", **data)
    report = run_module("coverage", "report", some, **data)

    assert done.returncode == 0, done.stdout
    assert report.returncode == 0, report.stdout
    assert "gateway/conf.py" in report.stdout
    assert "TOTAL" in report.stdout
    assert "/tests/" not in report.stdout


def read_compose(name: str) -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load((BASE_DIR / name).read_text())["services"]
    return services


def test_development_service_is_the_web_process_on_the_sources_of_this_folder() -> None:
    gateway = read_compose("docker-compose.dev.yml")["gateway"]

    assert gateway["extends"] == {"file": "docker-compose.yml", "service": "web"}
    assert "web" in read_compose("docker-compose.yml")
    assert gateway["volumes"] == [".:/app:ro"]
    _python, program, command, *flags = gateway["command"].split()
    assert (program, command) == ("manage.py", "run_web")
    options = vars(Command().create_parser(program, command).parse_args(flags))
    assert (options["reload"], options["host"], options["port"]) == (True, "0.0.0.0", 8080)


def test_development_service_takes_the_place_of_the_other_web_process() -> None:
    development = read_compose("docker-compose.dev.yml")

    assert set(development) - set(read_compose("docker-compose.yml")) == {"gateway"}
    assert development["web"] == {"profiles": ["without-reload"]}
