"""Profiles from what somebody else wrote: a command line, a compose file, the configuration of a router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.conf import get_config
from gateway.errors import InvalidRequest
from gateway.wording import end_sentence, fill_in, join_texts
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.engine_call import EngineCommand
from modelops.domain.profiles.imports.entries import (
    Found,
    SourceKind,
    find_source_kind,
    read_document,
    read_text,
)
from modelops.domain.profiles.imports.imported_profile import ImportedProfile, import_call
from modelops.profiles.compose_yaml import read_compose


class SeveralEntries(InvalidRequest):
    """Several entries of a text can be taken over. `names` are to choose from."""

    default_message = "Several entries of it start an engine: choose one."

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(param="entry")
        self.names = tuple(names)


@dataclass(frozen=True)
class SourceEntry:
    """One entry of a text: `name` is what the text calls it."""

    kind: SourceKind
    name: str
    found: Found

    @property
    def refusal(self) -> FieldError | None:
        """Why no profile can be made of it."""
        return self.found if isinstance(self.found, FieldError) else None


def read_source(
    text: str, *, repository: str = "", fallback: SourceKind = SourceKind.COMMAND
) -> list[SourceEntry]:
    """The entries of a text of any of the kinds. Raises InvalidRequest where it holds none.

    `fallback` is what a text is taken for whose shape says nothing.
    """
    kind = find_source_kind(text) or fallback
    try:
        if kind is SourceKind.COMMAND:
            found = read_text(text)
        else:
            found = read_document(kind, read_compose(text, field="file"), repository=repository)
    except FieldError as exc:
        raise to_invalid_request(exc) from exc
    return [SourceEntry(kind, name, each) for name, each in found.items()]


def import_entry(entry: SourceEntry, *, repository: str = "") -> ImportedProfile:
    """The profile of an entry. Raises InvalidRequest saying why there is none."""
    try:
        if isinstance(entry.found, FieldError):
            raise entry.found
        if isinstance(entry.found, ImportedProfile):
            return entry.found
        return _import_call(entry.found, repository=repository)
    except FieldError as exc:
        raise to_invalid_request(exc) from exc


def import_source(
    text: str, *, entry: str = "", repository: str = "", fallback: SourceKind = SourceKind.COMMAND
) -> ImportedProfile:
    """The profile of one entry of the text. Raises InvalidRequest, or SeveralEntries to choose one of."""
    entries = read_source(text, repository=repository, fallback=fallback)
    usable = [each for each in entries if each.refusal is None]
    if entry:
        usable = [each for each in entries if each.name == entry]
        if not usable:
            names = ", ".join(each.name for each in entries)
            message = fill_in("There is no entry {name}; there are: {names}.", name=repr(entry), names=names)
            raise InvalidRequest(message, param="entry")
    if len(usable) > 1:
        raise SeveralEntries([each.name for each in usable])
    if not usable:
        raise InvalidRequest(end_sentence(_join_refusals(entries)), param="entry")
    return import_entry(usable[0], repository=repository)


def _join_refusals(entries: Sequence[SourceEntry]) -> str:
    refused = [
        fill_in("{entry}: {reason}", entry=each.name, reason=each.refusal.reason)
        for each in entries
        if each.refusal is not None
    ]
    return fill_in("Nothing of it can be taken over ({reasons})", reasons=join_texts("; ", refused))


def _import_call(call: EngineCommand, *, repository: str = "") -> ImportedProfile:
    trusted = get_config().trust_remote_code_repositories
    return import_call(call, repository=repository, trusted_repositories=trusted)


def to_invalid_request(error: FieldError) -> InvalidRequest:
    return InvalidRequest(end_sentence(error.wording), param=error.field)
