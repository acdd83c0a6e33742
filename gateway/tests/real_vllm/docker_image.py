"""A Docker image with a real vLLM, made of an installation without a registry or a network.

Like `vllm/vllm-openai` it has `vllm` on its PATH; it holds this machine's CPython and C libraries in place
of a distribution.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import BinaryIO

import docker

from .install import Installation, InstallError, require_programs

IMAGE = "gateway-test/vllm:cpu"
HOME = "opt/python"
PROGRAMS = ("sh", "lscpu")
LEFT_OUT_PACKAGES = frozenset(("pip", "uv", "triton"))
"""Of triton, a third of an installation, vLLM says at start that it has no CPU backend."""
LEFT_OUT_FOLDERS = frozenset(
    ("test", "tests", "__pycache__", "idlelib", "lib2to3", "ensurepip", "turtledemo", "include")
)
VLLM_SCRIPT = f"""\
#!/{HOME}/bin/python3
import sys
from vllm.entrypoints.cli.main import main

if __name__ == "__main__":  # vLLM's own children import this script
    sys.exit(main())
"""
ENVIRONMENT = {
    "PATH": f"/usr/local/bin:/{HOME}/bin:/usr/bin",
    "PYTHONHOME": f"/{HOME}",
    "PYTHONUNBUFFERED": "1",
    # On the volume that outlives a container: the first start compiles vLLM's modules for all that follow.
    "PYTHONPYCACHEPREFIX": "/root/.cache/vllm/bytecode",
    # The model is too small to gain from pinned threads.
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "DO_NOT_TRACK": "1",
}
FOLDERS = {"tmp": 0o1777, "root": 0o700, "proc": 0o755, "sys": 0o755, "dev": 0o755}
_ASK_FOLDERS = (
    "import json, sysconfig; print(json.dumps([sysconfig.get_path(n) for n in ('stdlib', 'purelib')]))"
)


def import_vllm_image(client: docker.DockerClient, installation: Installation) -> str:
    """Make the image on the client's engine, some 2 GB that touch no other disk; answers its tag.

    Blocks for about half a minute. Raises InstallError, and the SDK's errors.
    """
    require_programs(*PROGRAMS, "ldd")
    repository, _, version = IMAGE.partition(":")
    changes = [f"ENV {name}={value}" for name, value in ENVIRONMENT.items()]
    # As vllm/vllm-openai has it, which is why the runtime must name its own.
    changes.append('ENTRYPOINT ["vllm", "serve"]')
    with _streamed_root(installation) as stream:
        answer = client.api.import_image_from_stream(
            stream, repository=repository, tag=version, changes=changes
        )
    if '"error"' in answer:
        raise InstallError(f"could not import the image: {answer[-1000:]}")
    return IMAGE


def write_hub_cache(folder: Path, model: Path, repository: str) -> None:
    """Lay the model out in `folder` as a download from the hub would have left it."""
    revision = "0" * 40
    home = folder / "hub" / f"models--{repository.replace('/', '--')}"
    shutil.copytree(model, home / "snapshots" / revision)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(revision)


@contextmanager
def _streamed_root(installation: Installation) -> Iterator[BinaryIO]:
    """The root file system as a tar stream, written beside its reader. Raises InstallError."""
    reading, writing = os.pipe()
    failures: list[Exception] = []

    def write() -> None:
        try:
            with open(writing, "wb") as sink, tarfile.open(fileobj=sink, mode="w|") as tar:
                _write_root(tar, installation)
        except Exception as exc:
            failures.append(exc)

    writer = threading.Thread(target=write, name="image writer")
    writer.start()
    try:
        with open(reading, "rb") as source:
            yield source
    finally:
        # Its pipe is closed: a writer whose reader gave up ends at its next write.
        writer.join()
        if failures and not isinstance(failures[0], BrokenPipeError):
            raise InstallError(f"could not write the image: {failures[0]}") from failures[0]


def _write_root(tar: tarfile.TarFile, installation: Installation) -> None:
    asked = subprocess.run([installation.python, "-c", _ASK_FOLDERS], capture_output=True, check=True)
    stdlib, packages = map(Path, json.loads(asked.stdout))
    interpreter = installation.python.resolve()
    programs = {Path(shutil.which(name) or "").resolve(): f"usr/bin/{name}" for name in PROGRAMS}
    files = {interpreter: f"{HOME}/bin/python3", **programs}
    library = f"{HOME}/lib/{stdlib.name}"
    files |= _list_tree(stdlib, library, left_out=frozenset(("site-packages", "dist-packages")))
    files |= _list_tree(packages, f"{library}/site-packages", left_out=LEFT_OUT_PACKAGES)
    files |= _list_libraries(files)
    for folder, mode in FOLDERS.items():
        _add_folder(tar, folder, mode=mode)
    for source, name in files.items():
        tar.add(source.resolve(), name, recursive=False)
    _add_text(tar, "usr/local/bin/vllm", VLLM_SCRIPT, mode=0o755)
    _add_text(tar, "bin/sh", "", link_to="/usr/bin/sh")
    _add_text(tar, "etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
    _add_text(tar, "etc/nsswitch.conf", "hosts: files dns\n")


def _list_tree(folder: Path, name: str, *, left_out: frozenset[str]) -> dict[Path, str]:
    """The files below `folder` that a program needs at run time, with their names in the image."""
    found = {}
    for parent, folders, names in os.walk(folder):
        is_top = Path(parent) == folder
        folders[:] = [each for each in folders if not _is_left_out(each, left_out if is_top else frozenset())]
        relative = PurePath(name, Path(parent).relative_to(folder))
        found.update({Path(parent, each): str(relative / each) for each in names})
    return found


def _is_left_out(folder: str, further: frozenset[str]) -> bool:
    return folder in LEFT_OUT_FOLDERS | further or folder.startswith("config-")


def _list_libraries(files: dict[Path, str]) -> dict[Path, str]:
    """The shared libraries of this machine that these files need, under the names they are looked up by."""
    binaries = [
        path for path in files if ".so" in path.name or files[path].rpartition("/")[0].endswith("bin")
    ]
    listing = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
    names = set(re.findall(r"(?:=> |^\t)(/\S+)", listing, re.MULTILINE))
    known = {path.resolve() for path in files}
    return {Path(name): name.lstrip("/") for name in sorted(names) if Path(name).resolve() not in known}


def _add_folder(tar: tarfile.TarFile, name: str, *, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.mode = tarfile.DIRTYPE, mode
    tar.addfile(member)


def _add_text(tar: tarfile.TarFile, name: str, text: str, *, mode: int = 0o644, link_to: str = "") -> None:
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    if link_to:
        member.type, member.linkname = tarfile.SYMTYPE, link_to
    tar.addfile(member, io.BytesIO(content))
