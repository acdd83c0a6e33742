"""Load the file of profiles on an operator's demand, with a record in the audit trail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from rest_framework.request import Request

from gateway.audit import record_change
from gateway.conf import BASE_DIR
from gateway.errors import InvalidRequest, VersionConflict
from gateway.wording import fill_in
from modelops.models import HardwareProfile, ModelProfile
from modelops.profiles.changing import SettingChange
from modelops.profiles.seed_result import InvalidEntry, SeedResult
from modelops.profiles.seeding import load_profiles

PROFILES_PATH = BASE_DIR / "fixtures" / "model_profiles.yml"

Rows = dict[tuple[str, str], dict[str, Any]]
"""The values of all rows, by their kind and slug."""


@dataclass(frozen=True)
class RowDifference:
    """What a load would make of one row. `kind` is a field of `SeedResult`."""

    kind: str
    slug: str
    is_new: bool
    changes: tuple[SettingChange, ...]


@dataclass(frozen=True)
class ReloadPreview:
    """What loading the file would do now. `fingerprint` names this outcome."""

    result: SeedResult
    differences: tuple[RowDifference, ...]
    fingerprint: str


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
    text = _read_file(path)
    if isinstance(text, InvalidEntry):
        return SeedResult(invalid=(text,), is_dry_run=dry_run)
    return _load(text, force=force, dry_run=dry_run, request=request)


def preview_reload(path: Path = PROFILES_PATH, *, force: bool = False) -> ReloadPreview:
    """What loading the file would do, field by field. Nothing stays changed."""
    text = _read_file(path)
    if isinstance(text, InvalidEntry):
        return ReloadPreview(SeedResult(invalid=(text,), is_dry_run=True), (), "")
    return _preview(text, force=force)


def apply_reload(
    fingerprint: str,
    *,
    path: Path = PROFILES_PATH,
    force: bool = False,
    request: HttpRequest | Request | None = None,
) -> SeedResult:
    """Load the file as the preview with this fingerprint showed it.

    Raises VersionConflict where it would do something else by now, and InvalidRequest for a file with
    mistakes; then nothing has changed.
    """
    text = _read_file(path)
    if isinstance(text, InvalidEntry):
        raise InvalidRequest(str(text))
    with transaction.atomic():
        if _preview(text, force=force).fingerprint != fingerprint:
            raise VersionConflict(
                "The file or a profile was changed meanwhile. Look at the changes once more."
            )
        result = _load(text, force=force, dry_run=False, request=request)
    if not result.is_valid:
        raise InvalidRequest("; ".join(map(str, result.invalid)))
    return result


def _read_file(path: Path) -> str | InvalidEntry:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else fill_in("it is not UTF-8")
        problem = fill_in("{name} cannot be read: {reason}", name=path.name, reason=reason)
        return InvalidEntry(1, "", "", problem)


def _load(text: str, *, force: bool, dry_run: bool, request: HttpRequest | Request | None) -> SeedResult:
    with transaction.atomic():
        result = load_profiles(text, force=force, dry_run=dry_run)
        if changes := _describe_changes(result):
            record_change("profiles_loaded", ModelProfile, request=request, changes=changes)
    return result


def _preview(text: str, *, force: bool) -> ReloadPreview:
    """Loads for real and takes it back: so nothing that loading does can be missing."""
    with transaction.atomic():
        before = _read_rows()
        result = load_profiles(text, force=force)
        differences = tuple(_compare(before, _read_rows()))
        transaction.set_rollback(True)
    shown = [
        [row.kind, row.slug, row.is_new, [[each.name, each.before, each.after] for each in row.changes]]
        for row in differences
    ]
    outcome = json.dumps([text, force, result.serialise(), shown], sort_keys=True)
    return ReloadPreview(result, differences, hashlib.sha256(outcome.encode()).hexdigest())


def _read_rows() -> Rows:
    kinds = {"profiles": ModelProfile.objects.all(), "hardware_profiles": HardwareProfile.objects.all()}
    return {(kind, row.slug): row.get_values() for kind, rows in kinds.items() for row in rows}


def _compare(before: Rows, after: Rows) -> Iterator[RowDifference]:
    for (kind, slug), values in after.items():
        old = before.get((kind, slug))
        changes = tuple(
            SettingChange(name, None if old is None else old[name], value)
            for name, value in values.items()
            if old is None or old[name] != value
        )
        if changes:
            yield RowDifference(kind, slug, old is None, changes)


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
