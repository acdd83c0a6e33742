"""Load the file of profiles on an operator's demand, with a record in the audit trail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from django.db import transaction
from django.http import HttpRequest
from rest_framework.request import Request

from gateway.audit import record_change
from gateway.conf import BASE_DIR
from gateway.wording import fill_in
from modelops.models import ModelProfile
from modelops.profiles.seed_result import InvalidEntry, SeedResult
from modelops.profiles.seeding import load_profiles

PROFILES_PATH = BASE_DIR / "fixtures" / "model_profiles.yml"


def reload_profiles(
    path: Path = PROFILES_PATH,
    *,
    force: bool = False,
    dry_run: bool = False,
    request: HttpRequest | Request | None = None,
) -> SeedResult:
    """Load the file of profiles; `serialise()` the result for JSON. A file that cannot be read is invalid.

    The path is for operators with a shell, never for a request. What changed is on record; `request` None:
    by a command.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else fill_in("it is not UTF-8")
        mistake = InvalidEntry(
            1, "", "", fill_in("{name} cannot be read: {reason}", name=path.name, reason=reason)
        )
        return SeedResult(invalid=(mistake,), is_dry_run=dry_run)
    with transaction.atomic():
        result = load_profiles(text, force=force, dry_run=dry_run)
        if changes := _describe_changes(result):
            record_change("profiles_loaded", ModelProfile, request=request, changes=changes)
    return result


def _describe_changes(result: SeedResult) -> Mapping[str, object]:
    """What became of rows, by kind; empty where nothing did."""
    if result.is_dry_run or not result.is_valid:
        return {}
    kinds = {"profiles": result.profiles, "hardware_profiles": result.hardware_profiles}
    return {
        name: {"created": list(changes.created), "updated": list(changes.updated)}
        for name, changes in kinds.items()
        if changes.created or changes.updated
    }
