"""Where the browser's libraries are, and what their files hash to."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
VENDOR_FOLDER = HERE.parent / "static" / "vendor"
HASHES = HERE / "hashes.json"


def read_packages() -> dict[str, Any]:
    packages: dict[str, Any] = json.loads((HERE / "packages.json").read_text())
    return packages


def folder_of(name: str) -> Path:
    """Named as the package, without its scope, or by the scope where the rest says nothing."""
    scope, _, rest = name.removeprefix("@").partition("/")
    return VENDOR_FOLDER / (scope if rest in {"", "cdn-assets"} else rest)


def copied_files() -> list[Path]:
    """All but the declarations of types, which are our own."""
    return sorted(path for path in VENDOR_FOLDER.rglob("*") if path.is_file() and path.suffix != ".ts")


def hash_files() -> dict[str, str]:
    """The SHA-256 of each copied file, by its path below the folder."""
    return {
        path.relative_to(VENDOR_FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in copied_files()
    }


def write_hashes() -> None:
    HASHES.write_text(json.dumps(hash_files(), indent=2) + "\n")


def read_hashes() -> dict[str, str]:
    hashes: dict[str, str] = json.loads(HASHES.read_text())
    return hashes
