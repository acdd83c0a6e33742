"""What `collectstatic` left in STATIC_ROOT, read before Django is set up."""

from __future__ import annotations

from pathlib import Path

VERSION_FILE = ".version"
SOURCES = Path(__file__).with_name("static")


def read_collected_version(static_root: Path, sources: Path = SOURCES) -> str:
    """The version of the collected files; empty where there are none, or a source was changed since.

    So nobody who once tried `collectstatic` is shown old pages by `make run`.
    """
    version_file = static_root / VERSION_FILE
    try:
        collected_at = version_file.stat().st_mtime
    except OSError:
        return ""
    if any(path.stat().st_mtime > collected_at for path in sources.rglob("*") if path.is_file()):
        return ""
    return version_file.read_text().strip()
