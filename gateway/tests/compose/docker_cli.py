"""The `docker` command, as an operator types it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_S = 300
KEPT_VARIABLES = frozenset({"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR"})
ERROR_TAIL_CHARS = 6000


class DockerCommandFailed(Exception):
    """The message has the command and what it printed."""


@dataclass(frozen=True)
class DockerCli:
    """Runs in `folder`, for the engine and with the settings that `environment` names."""

    environment: Mapping[str, str]
    folder: Path | None = None

    def run(self, *arguments: str, given: str | None = None) -> str:
        """What it printed, its errors included. Raises DockerCommandFailed."""
        done = self.attempt(*arguments, given=given)
        if done.returncode:
            command = " ".join(["docker", *arguments])
            raise DockerCommandFailed(
                f"{command} ended with {done.returncode}:\n{done.stdout[-ERROR_TAIL_CHARS:]}"
            )
        return done.stdout

    def attempt(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", *arguments],
            cwd=self.folder,
            env=clean_environment() | dict(self.environment),
            input=given or "",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=TIMEOUT_S,
            check=False,
        )

    def pipe(self, *arguments: str, source: Path = Path(os.devnull), target: Path = Path(os.devnull)) -> None:
        """As `docker … < source > target`, of whatever bytes. Raises DockerCommandFailed."""
        with source.open("rb") as given, target.open("wb") as taken:
            done = subprocess.run(
                ["docker", *arguments],
                cwd=self.folder,
                env=clean_environment() | dict(self.environment),
                stdin=given,
                stdout=taken,
                stderr=subprocess.PIPE,
                timeout=TIMEOUT_S,
                check=False,
            )
        if done.returncode:
            raise DockerCommandFailed(f"docker {' '.join(arguments)}: {done.stderr.decode(errors='replace')}")

    def inspect(self, *names: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.run("inspect", *names)) if names else []
        return found

    def list_ids(self, kind: str, *filters: str) -> list[str]:
        """Of all containers, networks or volumes that fit."""
        options = [f"--filter={each}" for each in filters]
        all_of_them = ["--all"] if kind == "container" else []
        return self.run(kind, "ls", "--quiet", *all_of_them, *options).split()


def clean_environment() -> dict[str, str]:
    """Nothing of the test run's own: Compose prefers a variable to what `.env` says."""
    return {name: value for name, value in os.environ.items() if name in KEPT_VARIABLES}
