"""What loading a file of profiles did, or why it did nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway.wording import FilledText, fill_in


@dataclass(frozen=True)
class InvalidEntry:
    """One mistake in the file. `slug` is empty where it is not part of a profile."""

    line: int
    slug: str
    field: str
    reason: str

    def __str__(self) -> str:
        return str(self.wording)

    @property
    def wording(self) -> FilledText:
        where = ".".join(part for part in (self.slug, self.field) if part)
        if not where:
            return fill_in("line {line}: {reason}", line=self.line, reason=self.reason)
        return fill_in("line {line}: {where}: {reason}", line=self.line, where=where, reason=self.reason)


@dataclass(frozen=True)
class Drift:
    """A row that was changed by hand and so was left as it is. `fields` are those that differ."""

    slug: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Changes:
    """What became of the rows of one kind, by slug. `missing`: seeded once, and no longer in the file."""

    created: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    drifted: tuple[Drift, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeedResult:
    """With entries in `invalid` nothing was changed, nor by a dry run, which reports what would change."""

    profiles: Changes = Changes()
    hardware_profiles: Changes = Changes()
    invalid: tuple[InvalidEntry, ...] = ()
    is_dry_run: bool = False

    @property
    def is_valid(self) -> bool:
        return not self.invalid

    def serialise(self) -> dict[str, Any]:
        """Plain JSON values: the profiles' changes on top, those of the hardware profiles below."""
        return {
            **_serialise_changes(self.profiles),
            "invalid": [asdict(mistake) for mistake in self.invalid],
            "hardware_profiles": _serialise_changes(self.hardware_profiles),
            "dry_run": self.is_dry_run,
        }


def _serialise_changes(changes: Changes) -> Mapping[str, Any]:
    return {
        "created": list(changes.created),
        "updated": list(changes.updated),
        "unchanged": list(changes.unchanged),
        "drifted": [{"slug": drift.slug, "fields": list(drift.fields)} for drift in changes.drifted],
        "missing": list(changes.missing),
    }
