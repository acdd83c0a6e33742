"""Load profiles from YAML into the database, and write them back.

A row that was changed since it was loaded is kept and reported as drift, unless the load is forced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from gateway.caller_language import describe_error
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.setting import leave_defaults_out
from modelops.domain.profiles.spec import ProfileSpec, to_values
from modelops.models import HardwareProfile, ModelProfile
from modelops.models.profiles import SeededModel
from modelops.profiles.seed_reading import SeedEntry, SeedFile, read_seed_file
from modelops.profiles.seed_result import Changes, Drift, InvalidEntry, SeedResult
from modelops.profiles.seed_yaml import write_document

Entry = SeedEntry[ProfileSpec] | SeedEntry[HardwareSpec]


class _Refused(Exception):
    """Rows that are not in the file forbid what the file asks for; nothing may stay changed."""

    def __init__(self, invalid: tuple[InvalidEntry, ...]) -> None:
        super().__init__()
        self.invalid = invalid


def load_profiles(text: str, *, force: bool = False, dry_run: bool = False) -> SeedResult:
    """Make the rows what the YAML says, in one transaction; loading the same twice changes nothing more.

    A mistake anywhere leaves every row as it was. Rows that were seeded before and are missing now are
    reported and kept. `force` overwrites drifted rows too.
    """
    seed_file = read_seed_file(text)
    if seed_file.invalid:
        return SeedResult(invalid=seed_file.invalid, is_dry_run=dry_run)
    try:
        return _load(seed_file, force=force, dry_run=dry_run)
    except IntegrityError:
        # Somebody else loaded the same at the same moment. Now their rows are there to be seen.
        return _load(seed_file, force=force, dry_run=dry_run)


def _load(seed_file: SeedFile, *, force: bool, dry_run: bool) -> SeedResult:
    try:
        with transaction.atomic():
            profiles = _Loading(ModelProfile, seed_file.profiles, force=force).run()
            hardware = _Loading(HardwareProfile, seed_file.hardware_profiles, force=force).run()
            if dry_run:
                transaction.set_rollback(True)
    except _Refused as exc:
        return SeedResult(invalid=exc.invalid, is_dry_run=dry_run)
    return SeedResult(profiles, hardware, is_dry_run=dry_run)


@dataclass
class _Loading:
    """One kind of row. Runs inside the transaction."""

    model: type[ModelProfile] | type[HardwareProfile]
    entries: Sequence[Entry]
    force: bool
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    drifted: list[Drift] = field(default_factory=list)
    to_write: list[tuple[SeededModel, Entry]] = field(default_factory=list)
    keeps_default: bool = False

    def run(self) -> Changes:
        # All rows are locked, so that nobody edits one between the look at it and the write.
        rows: dict[str, SeededModel] = {row.slug: row for row in self.model.objects.select_for_update()}
        for entry in self.entries:
            self._sort(rows.get(entry.slug), entry)
        listed = {entry.slug for entry in self.entries}
        if self.model is ModelProfile:
            self._settle_default(rows.values())
        self._write()
        missing = [slug for slug, row in rows.items() if row.seeded_values is not None and slug not in listed]
        return Changes(
            tuple(self.created),
            tuple(self.updated),
            tuple(self.unchanged),
            tuple(self.drifted),
            tuple(sorted(missing)),
        )

    def _sort(self, row: SeededModel | None, entry: Entry) -> None:
        wanted = to_values(entry.spec)
        if row is None:
            self.created.append(entry.slug)
            self.to_write.append((self.model(), entry))
            return
        found = row.get_values()
        if found == wanted:
            self.unchanged.append(entry.slug)
            if row.seeded_values != wanted:
                self.to_write.append((row, entry))
            return
        differing = tuple(name for name, value in wanted.items() if found[name] != value)
        edited = differing if row.seeded_values is None else row.find_drift()
        if edited and not self.force:
            self.drifted.append(Drift(entry.slug, edited))
        else:
            self.updated.append(entry.slug)
            self.to_write.append((row, entry))

    def _settle_default(self, rows: Iterable[SeededModel]) -> None:
        """There is one default: that of a row which stays as it is, unless forced, else the file's."""
        if not any(isinstance(each.spec, ProfileSpec) and each.spec.is_default for _, each in self.to_write):
            return
        written = {row.pk for row, _ in self.to_write}
        for row in rows:
            if not isinstance(row, ModelProfile) or not row.is_default or row.pk in written:
                continue
            if not self.force:
                self.keeps_default = True
                return
            row.is_default = False
            row.save(update_fields=["is_default", "updated_at"])
            self.updated.append(row.slug)

    def _write(self) -> None:
        """A new default comes last: the old one has given way by then."""
        for row, entry in self.to_write:
            row.set_values(entry.spec)
            row.seeded_values = to_values(entry.spec)
            if isinstance(row, ModelProfile) and self.keeps_default:
                row.is_default = False
        rows = [row for row, _ in self.to_write]
        for row in sorted(rows, key=lambda row: bool(getattr(row, "is_default", False))):
            row.save()
        invalid = [mistake for row, entry in self.to_write for mistake in _find_mistakes(row, entry)]
        if invalid:
            raise _Refused(tuple(sorted(invalid, key=lambda mistake: mistake.line)))


def _find_mistakes(row: SeededModel, entry: Entry) -> list[InvalidEntry]:
    """What the row's own validation says, now that every row of the file is there."""
    try:
        row.clean()
    except ValidationError as exc:
        return [
            InvalidEntry(entry.source.find_line(name), entry.slug, name, describe_error(error))
            for name, errors in exc.error_dict.items()
            for error in errors
        ]
    return []


def export_profiles(slugs: Iterable[str] | None = None) -> str:
    """Write rows as YAML that loads back without a change; without `slugs` all, hardware profiles too."""
    return write_document(list_exports(slugs))


def list_exports(slugs: Iterable[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """What `export_profiles` writes, as plain values. Fields at their defaults are left out."""
    profiles = ModelProfile.objects.all()
    if slugs is not None:
        return {"profiles": [_export(row) for row in profiles.filter(slug__in=list(slugs))]}
    return {
        "profiles": [_export(row) for row in profiles],
        "hardware_profiles": [_export(row) for row in HardwareProfile.objects.all()],
    }


def _export(row: SeededModel) -> dict[str, Any]:
    return leave_defaults_out(row.spec_type, row.get_values())
