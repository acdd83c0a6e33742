"""A root file system with this very Python, the simulated engine and what it imports, as a tarball."""

from __future__ import annotations

import importlib.metadata
import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import docker

import modelops

PYTHON_HOME = "opt/python"
PACKAGES = f"{PYTHON_HOME}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
# hf-xet is huggingface_hub's optional fast path and a third of the image.
DISTRIBUTIONS = ("aiohttp", "msgspec", "huggingface-hub")
LEFT_OUT_DISTRIBUTIONS = frozenset({"hf-xet"})
LEFT_OUT_FOLDERS = frozenset(
    ("test", "tests", "idlelib", "lib2to3", "ensurepip", "tkinter", "turtledemo", "site-packages")
)
VLLM_SCRIPT = f"""\
#!/{PYTHON_HOME}/bin/python3
import runpy

runpy.run_module("modelops.simulator", run_name="__main__", alter_sys=True)
"""


def write_root_filesystem(path: Path) -> None:
    """Write the tarball. Its `vllm` is the simulator, which `python3 -m modelops.simulator` starts too."""
    with tarfile.open(path, "w") as tar:
        root = _Root(tar)
        interpreter = Path(sys.executable).resolve()
        root.add(interpreter, f"{PYTHON_HOME}/bin/python3")
        root.add_tree(Path(sysconfig.get_path("stdlib")), PACKAGES.removesuffix("/site-packages"))
        for file, name in _files_of(DISTRIBUTIONS):
            root.add(file, f"{PACKAGES}/{name}")
        source = Path(modelops.__path__[0])
        root.add(source / "__init__.py", "app/modelops/__init__.py")
        root.add_tree(source / "simulator", "app/modelops/simulator")
        root.add_libraries(interpreter)
        root.add_text("usr/local/bin/vllm", VLLM_SCRIPT, mode=0o755)
        root.add_text("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        root.add_text("etc/nsswitch.conf", "hosts: files dns\n")
        for folder, mode in (
            ("tmp", 0o1777),
            ("root", 0o700),
            ("proc", 0o755),
            ("sys", 0o755),
            ("dev", 0o755),
        ):
            root.add_folder(folder, mode=mode)


def import_image(client: docker.DockerClient, tarball: Path, tag: str) -> str:
    """Make the image `tag` of the tarball, as `docker import` does; answers the tag."""
    repository, _, version = tag.partition(":")
    changes = [
        f"ENV PATH=/usr/local/bin:/{PYTHON_HOME}/bin",
        f"ENV PYTHONHOME=/{PYTHON_HOME}",
        "ENV PYTHONPATH=/app",
        "ENV PYTHONUNBUFFERED=1",
        # As vllm/vllm-openai has it, which is why the runtime must name its own.
        'ENTRYPOINT ["vllm", "serve"]',
    ]
    client.api.import_image(src=str(tarball), repository=repository, tag=version, changes=changes)
    return tag


class _Root:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._binaries: set[Path] = set()

    def add(self, source: Path, name: str) -> None:
        if ".so" in source.name:
            self._binaries.add(source)
        self._tar.add(source.resolve(), name, recursive=False)

    def add_tree(self, folder: Path, name: str) -> None:
        """The files below `folder` that a program needs at run time."""
        for path in sorted(folder.rglob("*")):
            relative = path.relative_to(folder)
            if path.is_dir() or _is_left_out(relative):
                continue
            self.add(path, f"{name}/{relative}")

    def add_text(self, name: str, text: str, *, mode: int = 0o644) -> None:
        content = text.encode()
        member = tarfile.TarInfo(name)
        member.size, member.mode = len(content), mode
        self._tar.addfile(member, io.BytesIO(content))

    def add_folder(self, name: str, *, mode: int) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.mode = tarfile.DIRTYPE, mode
        self._tar.addfile(member)

    def add_libraries(self, interpreter: Path) -> None:
        """Every shared library that the interpreter and extension modules need, where they look for it."""
        binaries = [str(interpreter), *map(str, sorted(self._binaries))]
        listing = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
        names = set(re.findall(r"(?:=> |^\t)(/\S+)", listing, re.MULTILINE))
        for name in sorted(names):
            if Path(name) not in self._binaries:
                self.add(Path(name), name.lstrip("/"))


def _is_left_out(relative: Path) -> bool:
    """Also `….pyc.123`, which Python is about to rename."""
    if relative.suffix[1:].isdigit() and ".pyc." in relative.name:
        return True
    return any(part in LEFT_OUT_FOLDERS or part.startswith("config-") for part in relative.parts)


def _files_of(names: Iterable[str]) -> Iterator[tuple[Path, str]]:
    """The files of these distributions and of all that they require, with their names below site-packages."""
    seen: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in seen | LEFT_OUT_DISTRIBUTIONS:
            continue
        seen.add(name)
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # required on another platform or Python
        for requirement in distribution.requires or []:
            if "extra ==" not in requirement and (match := re.match(r"[\w.-]+", requirement)):
                waiting.append(match[0])
        for file in distribution.files or []:
            path = Path(str(file.locate()))
            if ".." not in file.parts and path.is_file() and not _is_left_out(Path(file)):
                yield path, str(file)
