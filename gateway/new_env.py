"""A new `.env` for Docker Compose: `make env`, or `manage.py init_env`.

Only the standard library, in what Python 3.9 has: a machine that has just been set up may have nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from gettext import translation
from pathlib import Path
from typing import NamedTuple

DOCKER_SOCKET = Path("/var/run/docker.sock")
GPU_COMPOSE = "docker-compose.yml:docker-compose.gpu.yml"
CPU_COMPOSE = "docker-compose.yml:docker-compose.cpu.yml"
TOOLKIT_URL = "https://docs.nvidia.com/datacenter/cloud-native/container-toolkit/latest/install-guide.html"
ASK_TIMEOUT_S = 20
SECRET_BYTES = 48
PASSWORD_BYTES = 15

# By the terminal's locale, as the standard library reads it.
gettext = translation("django", Path(__file__).parent.parent / "locale", fallback=True).gettext


class EnvUnwritable(Exception):
    """The message says why."""


class Machine(NamedTuple):
    """What decides how the services are started here."""

    docker_gid: int | None
    """The group of Docker's socket; None where there is no socket."""
    docker_problem: str
    """Why Docker cannot be asked; empty where it can."""
    has_toolkit: bool
    """Whether Docker gives containers NVIDIA cards."""
    cards: int
    """NVIDIA cards that the machine's own driver shows."""

    @property
    def uses_gpus(self) -> bool:
        return self.has_toolkit and self.cards > 0


class Wishes(NamedTuple):
    """What the operator decides."""

    host: str = ""
    """The public name; empty for this machine alone."""
    https: bool = False
    """A proxy in front ends TLS."""
    bind: str = "127.0.0.1"
    port: int = 8080
    gpus: bool | None = None
    """None: as the machine has them."""


class Entry(NamedTuple):
    """One line of the file, below what it is for."""

    name: str
    value: str
    comment: str
    is_secret: bool = False


def look_at_machine(socket: Path = DOCKER_SOCKET) -> Machine:
    """Ask the system, Docker and NVIDIA's driver. What cannot be asked counts as not there."""
    try:
        gid: int | None = socket.stat().st_gid
    except OSError:
        gid = None
    runtimes = _ask("docker", "info", "--format", "{{json .Runtimes}}")
    try:
        names = json.loads(runtimes.output or "null") or {}
    except ValueError:
        names = {}
    cards = [line for line in _ask("nvidia-smi", "-L").output.splitlines() if line.startswith("GPU ")]
    return Machine(gid, runtimes.problem, "nvidia" in names, len(cards))


class _Asked(NamedTuple):
    output: str = ""
    problem: str = ""


def _ask(*argv: str) -> _Asked:
    try:
        done = subprocess.run(  # noqa: S603 - our own words, never a shell
            argv, capture_output=True, text=True, check=False, timeout=ASK_TIMEOUT_S
        )
    except FileNotFoundError:
        return _Asked(problem=f"{argv[0]} is not installed")
    except (OSError, subprocess.SubprocessError) as exc:
        return _Asked(problem=f"{argv[0]}: {exc}")
    if done.returncode:
        return _Asked(problem=(done.stderr.strip().splitlines() or [f"{argv[0]} failed"])[-1])
    return _Asked(output=done.stdout.strip())


def list_entries(wishes: Wishes, machine: Machine) -> list[Entry]:
    """The lines of a whole file, with new secrets."""
    uses_gpus = machine.uses_gpus if wishes.gpus is None else wishes.gpus
    compose = GPU_COMPOSE if uses_gpus else CPU_COMPOSE
    entries = [
        Entry(
            "COMPOSE_FILE",
            compose,
            gettext("The services: with the machine's GPUs, or with a simulated model"),
        ),
        Entry(
            "COMPOSE_IGNORE_ORPHANS",
            "true",
            gettext("The running engine is no service of Compose's, and no mistake either"),
        ),
        _secret("SECRET_KEY", gettext("Signs the admin's sessions")),
        _secret("JWT_SECRET", gettext("Signs access tokens: a new one ends every session")),
        _secret("API_KEY_SECRET", gettext("Keys the stored hashes of API keys: a new one ends every key")),
        _secret("POSTGRES_PASSWORD", gettext("Of the database; it is fixed by the first start")),
        Entry(
            "GATEWAY_ADMIN_PASSWORD",
            secrets.token_urlsafe(PASSWORD_BYTES),
            gettext("First password of `admin`. Change it on the account page, then remove this line"),
            is_secret=True,
        ),
        Entry("GATEWAY_BIND", wishes.bind, gettext("Address of this machine to listen on, and its port")),
        Entry("GATEWAY_PORT", str(wishes.port), ""),
        Entry(
            "DOCKER_GID",
            str(machine.docker_gid or 999),
            gettext("Group of /var/run/docker.sock, for the switcher"),
        ),
    ]
    if wishes.host:
        entries.append(Entry("ALLOWED_HOSTS", wishes.host, gettext("Names under which the gateway answers")))
    if wishes.https:
        entries += [
            Entry("SECURE_COOKIES", "true", gettext("A proxy in front ends TLS")),
            Entry("TRUSTED_PROXY_HOPS", "1", ""),
        ]
    return entries


def _secret(name: str, comment: str) -> Entry:
    return Entry(name, secrets.token_urlsafe(SECRET_BYTES), comment, is_secret=True)


def read_names(text: str) -> dict[str, str]:
    """The names that a file sets, also to nothing, with what they are set to."""
    found = {}
    for line in text.splitlines():
        name, is_set, value = line.strip().removeprefix("export ").partition("=")
        if is_set and not name.startswith("#"):
            found[name.strip()] = value.strip()
    return found


def render(entries: Sequence[Entry]) -> str:
    lines = []
    for entry in entries:
        if entry.comment:
            lines.append(f"# {entry.comment}")
        lines.append(f"{entry.name}={entry.value}")
    return "".join(f"{line}\n" for line in lines)


def complete_env(path: Path, entries: Sequence[Entry]) -> list[Entry]:
    """Write to `path` what it does not set yet, and return that. What is there stays as it is.

    The file is for its owner alone. Raises EnvUnwritable where it cannot be read or written.
    """
    try:
        before = path.read_text() if path.exists() else ""
        known = read_names(before)
        missing = [entry for entry in entries if entry.name not in known]
        if not missing:
            return []
        end = "" if not before or before.endswith("\n") else "\n"
        partial = path.with_name(f"{path.name}.new")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(before + end + render(missing))
        partial.replace(path)
    except (OSError, UnicodeDecodeError) as exc:
        raise EnvUnwritable(f"{path} cannot be written: {exc}") from exc
    return missing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, default=Path(".env"), help="The file to write; default: .env")
    parser.add_argument(
        "--host", default="", metavar="NAME", help="The public name, such as chat.example.com"
    )
    parser.add_argument("--https", action="store_true", help="A proxy in front ends TLS for that name.")
    parser.add_argument(
        "--bind",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="The address of this machine to listen on. 0.0.0.0 lets everybody in who reaches the port.",
    )
    parser.add_argument("--port", type=int, default=8080)
    gpus = parser.add_mutually_exclusive_group()
    gpus.add_argument(
        "--gpus",
        action="store_true",
        default=None,
        help="Give the services the GPUs, whatever is found here.",
    )
    gpus.add_argument(
        "--no-gpus", action="store_false", dest="gpus", help="A simulated model, whatever is found here."
    )
    parser.add_argument("--dry-run", action="store_true", help="Say what would be written, without secrets.")


def init_env(options: argparse.Namespace, machine: Machine) -> list[str]:
    """Write the file, and return the lines to print. Raises EnvUnwritable."""
    wishes = Wishes(options.host, options.https, options.bind, options.port, options.gpus)
    entries = list_entries(wishes, machine)
    if options.dry_run:
        return [*describe_machine(wishes, machine), "", render([_hidden(entry) for entry in entries])]
    written = complete_env(options.file, entries)
    return [*describe_machine(wishes, machine), "", *_describe_written(options.file, written)]


def describe_machine(wishes: Wishes, machine: Machine) -> list[str]:
    """What was found, and what is to be done about what was not."""
    said = []
    if machine.docker_problem:
        said.append(gettext("Docker cannot be used yet: {problem}").format(problem=machine.docker_problem))
    if machine.uses_gpus:
        found = gettext("Found {cards} NVIDIA GPUs, which Docker can give to containers.")
    elif machine.cards:
        found = gettext(
            "Found {cards} NVIDIA GPUs, which Docker cannot give to containers. Install the NVIDIA Container "
            "Toolkit ({url}), remove COMPOSE_FILE from the file, and run this again."
        )
    else:
        found = gettext("Found no NVIDIA GPU here.")
    said.append(found.format(cards=machine.cards, url=TOOLKIT_URL))
    if not (machine.uses_gpus if wishes.gpus is None else wishes.gpus):
        said.append(gettext("A simulated model will answer, and say that it is one."))
    return said


def _describe_written(path: Path, written: Sequence[Entry]) -> list[str]:
    if not written:
        return [gettext("{file} has everything already; nothing was changed.").format(file=path)]
    names = ", ".join(entry.name for entry in written)
    said = [gettext("Written to {file}, for its owner only: {names}.").format(file=path, names=names)]
    said += [
        gettext("First password of admin: {password}").format(password=entry.value)
        for entry in written
        if entry.name == "GATEWAY_ADMIN_PASSWORD"
    ]
    return [*said, gettext("Now: docker compose up -d")]


def _hidden(entry: Entry) -> Entry:
    return entry._replace(value="…") if entry.is_secret else entry


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="make env", description=__doc__)
    add_arguments(parser)
    try:
        lines = init_env(parser.parse_args(arguments), look_at_machine())
    except EnvUnwritable as exc:
        print(exc, file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
