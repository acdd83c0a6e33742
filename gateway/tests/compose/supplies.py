"""What stands in for a registry and a package index: fetched once, then kept.

`python -m gateway.tests.compose.supplies` needs apt and a package index, and neither once it is done. It
writes to `.compose/` in the project root; GATEWAY_TEST_COMPOSE_DIR names another folder.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.tests.needs import PROJECT, NeedMissing, run_step

LOCK = PROJECT / "requirements" / "lock.txt"
"""All that an image is made of, the one for development too."""
BASE_RELEASE = "bookworm"
"""Its Python is 3.11, as that of python:3.11-slim."""
PLUGIN_RELEASE = "trixie"
"""The first release with Docker Compose 2."""
BASE_PACKAGES = (
    *(
        "base-files",
        "base-passwd",
        "bash",
        "ca-certificates",
        "coreutils",
        "dash",
        "debianutils",
        "findutils",
    ),
    *("grep", "gzip", "hostname", "libc-bin", "libstdc++6", "login", "passwd", "sed", "tar", "tzdata"),
    *("procps", "python3.11", "python3.11-venv"),
)
NOT_IN_SLIM = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/lib/x86_64-linux-gnu/gconv")
RECIPE = "base 1"
"""Changes with what is done to the packages, so that an older base is made anew."""


@dataclass(frozen=True)
class Supplies:
    folder: Path

    @property
    def base(self) -> Path:
        """The root file system of the image that stands in for python:3.11-slim."""
        return self.folder / "base.tar"

    @property
    def wheels(self) -> Path:
        """Every distribution of the lock."""
        return self.folder / "wheels"

    @property
    def docker_config(self) -> Path:
        """A DOCKER_CONFIG with Compose in it, where the machine's own has none."""
        return self.folder / "docker"


def default_folder() -> Path:
    return Path(os.environ.get("GATEWAY_TEST_COMPOSE_DIR") or PROJECT / ".compose").absolute()


def get_supplies() -> Supplies:
    """All of them; blocks while something is missing. Raises NeedMissing."""
    supplies = Supplies(default_folder())
    for program in ("docker", "git", "dpkg"):
        if shutil.which(program) is None:
            raise NeedMissing(f"no {program}: apt-get install docker.io git")
    supplies.folder.mkdir(parents=True, exist_ok=True)
    keep(supplies.base, f"{RECIPE} {BASE_RELEASE} {' '.join(BASE_PACKAGES)}", _make_base)
    keep(supplies.wheels, f"{RECIPE} {hashlib.sha256(LOCK.read_bytes()).hexdigest()}", _download_wheels)
    if not has_compose():
        keep(supplies.docker_config, PLUGIN_RELEASE, _unpack_plugin)
    return supplies


def has_compose() -> bool:
    """Whether this machine has Docker Compose 2 by itself."""
    found = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
    return found.returncode == 0


def keep(target: Path, recipe: str, make: Callable[[Path, Path], None]) -> None:
    """Have `make` write `target`, unless it was made by this recipe. The stamp is written last."""
    stamp = target.with_name(f"{target.name}.stamp")
    if stamp.is_file() and stamp.read_text() == recipe:
        return
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="making-") as folder:
        made = Path(folder) / target.name
        make(made, Path(folder))
        if target.is_dir():
            shutil.rmtree(target)
        made.replace(target)
    stamp.write_text(recipe)


def _make_base(made: Path, folder: Path) -> None:
    """Unpacked Debian packages, with the two names under which the official image has its Python."""
    root = folder / "root"
    for package in _download_packages(folder, BASE_RELEASE, BASE_PACKAGES):
        run_step(["dpkg", "-x", package, root])
    for name in NOT_IN_SLIM:
        shutil.rmtree(root / name, ignore_errors=True)
    programs = root / "usr" / "local" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name in ("python", "python3"):
        (programs / name).symlink_to("/usr/bin/python3.11")
    if not (root / "bin" / "sh").is_symlink():
        (root / "bin" / "sh").symlink_to("dash")
    for kind in ("passwd", "group"):
        shutil.copy(root / "usr" / "share" / "base-passwd" / f"{kind}.master", root / "etc" / kind)
    for kind in ("shadow", "gshadow"):
        (root / "etc" / kind).touch()
    (root / "etc" / "nsswitch.conf").write_text("hosts: files dns\n")
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    run_step(["tar", "--create", "--numeric-owner", "--file", made, "--directory", root, "."])


def _download_packages(folder: Path, release: str, names: Sequence[str]) -> list[Path]:
    """These packages of Debian's and all that they need, by an apt with a state of its own."""
    for name in ("lists/partial", "archives/partial", "cache"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    (folder / "sources.list").write_text(
        f"deb {signed} http://deb.debian.org/debian {release} main\n"
        f"deb {signed} http://deb.debian.org/debian-security {release}-security main\n"
    )
    options = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Cache::archives": folder / "archives",
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
    }
    apt = ["apt-get", "-qq", *(f"--option={name}={value}" for name, value in options.items())]
    run_step([*apt, "update"])
    run_step([*apt, "install", "--download-only", "--yes", "--no-install-recommends", *names])
    return sorted((folder / "archives").glob("*.deb"))


def _download_wheels(made: Path, folder: Path) -> None:
    """Also those that only an older patch release of Python needs: Debian's is another than ours."""
    lock = folder / "lock.txt"
    lock.write_text(re.sub(r" ; python_full_version < '3\.11\.\d+'", "", LOCK.read_text()))
    argv = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check")
    run_step([*argv, "--no-deps", "--require-hashes", "--requirement", lock, "--dest", made])


def _unpack_plugin(made: Path, folder: Path) -> None:
    [package] = [
        package
        for package in _download_packages(folder, PLUGIN_RELEASE, ["docker-compose"])
        if package.name.startswith("docker-compose_")
    ]
    run_step(["dpkg", "-x", package, folder / "root"])
    (made / "cli-plugins").mkdir(parents=True)
    plugin = folder / "root" / "usr" / "libexec" / "docker" / "cli-plugins" / "docker-compose"
    plugin.replace(made / "cli-plugins" / "docker-compose")


if __name__ == "__main__":
    print(get_supplies().folder)
