"""Profiles from what somebody else wrote: a command line, a compose file, the configuration of a router."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.conf import get_config
from gateway.errors import InvalidRequest
from gateway.wording import end_sentence
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.command_line import read_command
from modelops.domain.profiles.imports.compose_file import choose_service, list_engine_services
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


class SeveralServices(InvalidRequest):
    """Several services of a compose file start an engine. `names` are to choose from."""

    default_message = "Several services of the file start an engine: choose one."

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(param="service")
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


def read_source(text: str, *, repository: str = "") -> list[SourceEntry]:
    """The entries of a text of any of the kinds. Raises InvalidRequest where it holds none."""
    kind = find_source_kind(text)
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


def _import_call(call: EngineCommand, *, repository: str = "") -> ImportedProfile:
    trusted = get_config().trust_remote_code_repositories
    return import_call(call, repository=repository, trusted_repositories=trusted)


def import_command(text: str) -> ImportedProfile:
    """The profile that a pasted command stands for. Raises InvalidRequest saying what is wrong with it."""
    try:
        return _import_call(read_command(text))
    except FieldError as exc:
        raise to_invalid_request(exc) from exc


def import_compose(text: str, service: str = "") -> ImportedProfile:
    """The profile of one service. Raises InvalidRequest, or SeveralServices where one has to be chosen."""
    try:
        calls = list_engine_services(read_compose(text))
        if not service and len(calls) > 1:
            raise SeveralServices(tuple(calls))
        return _import_call(choose_service(calls, service))
    except FieldError as exc:
        raise to_invalid_request(exc) from exc


def to_invalid_request(error: FieldError) -> InvalidRequest:
    return InvalidRequest(end_sentence(error.wording), param=error.field)
