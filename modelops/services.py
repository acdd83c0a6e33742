"""What changes the rows of modelops."""

from __future__ import annotations

from pathlib import Path

from gateway.conf import BASE_DIR
from modelops.seed_result import InvalidEntry, SeedResult
from modelops.seeding import load_profiles

PROFILES_PATH = BASE_DIR / "fixtures" / "model_profiles.yml"


def reload_profiles(path: Path = PROFILES_PATH, *, force: bool = False, dry_run: bool = False) -> SeedResult:
    """Load the file of profiles; `serialise()` the result for JSON. A file that cannot be read is invalid.

    The path is for operators with a shell, never for a request.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8"
        mistake = InvalidEntry(1, "", "", f"{path.name} cannot be read: {reason}")
        return SeedResult(invalid=(mistake,), is_dry_run=dry_run)
    return load_profiles(text, force=force, dry_run=dry_run)
