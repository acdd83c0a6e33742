"""Copies the browser's libraries from their npm packages into the project: `python -m gateway.vendoring`.

`packages.json` says which files of which version; `hashes.json` is written beside it. Pages load nothing from
elsewhere, and a newcomer needs neither npm nor a build. To take a new version, change its number in
`packages.json` and in `package.json`, and run this.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from gateway.vendoring.files import copied_files, folder_of, read_packages, write_hashes

SOURCE_MAP = b"//# sourceMappingURL="


def main() -> int:
    npm = shutil.which("npm")
    if npm is None:
        print("npm is missing: apt-get install nodejs npm", file=sys.stderr)
        return 2
    for path in copied_files():
        path.unlink()
    for name, package in read_packages().items():
        copy_files(name, download(npm, f"{name}@{package['version']}"), package["files"])
        print(f"{name} {package['version']}")
    write_hashes()
    return 0


def download(npm: str, package: str) -> bytes:
    """The package's archive; npm compares it with the registry's hash."""
    with tempfile.TemporaryDirectory(prefix="gw-vendor-") as folder:
        command = [npm, "pack", "--silent", package]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 - our own list
        (archive,) = Path(folder).iterdir()
        return archive.read_bytes()


def copy_files(name: str, archive: bytes, files: dict[str, str]) -> None:
    """Without the names of source maps, which are not copied and would be asked for in vain."""
    folder = folder_of(name)
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(archive)) as package:
        for inside, copied_as in files.items():
            member = package.extractfile(f"package/{inside}")
            if member is None:
                raise FileNotFoundError(f"{name} has no {inside}")
            lines = member.read().splitlines(keepends=True)
            (folder / copied_as).write_bytes(b"".join(x for x in lines if not x.startswith(SOURCE_MAP)))


if __name__ == "__main__":
    sys.exit(main())
