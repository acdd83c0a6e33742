"""Profiles from pasted text: a command line, or a compose file."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors import InvalidRequest
from gateway.wording import end_sentence
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.command_line import read_command
from modelops.domain.profiles.imports.compose_file import choose_service, list_engine_services
from modelops.domain.profiles.imports.imported_profile import ImportedProfile, import_call
from modelops.profiles.compose_yaml import read_compose


class SeveralServices(InvalidRequest):
    """Several services of a compose file start an engine. `names` are to choose from."""

    default_message = "Several services of the file start an engine: choose one."

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__(param="service")
        self.names = tuple(names)


def import_command(text: str) -> ImportedProfile:
    """The profile that a pasted command stands for. Raises InvalidRequest saying what is wrong with it."""
    try:
        return import_call(read_command(text))
    except FieldError as exc:
        raise to_invalid_request(exc) from exc


def import_compose(text: str, service: str = "") -> ImportedProfile:
    """The profile of one service. Raises InvalidRequest, or SeveralServices where one has to be chosen."""
    try:
        calls = list_engine_services(read_compose(text))
        if not service and len(calls) > 1:
            raise SeveralServices(tuple(calls))
        return import_call(choose_service(calls, service))
    except FieldError as exc:
        raise to_invalid_request(exc) from exc


def to_invalid_request(error: FieldError) -> InvalidRequest:
    return InvalidRequest(end_sentence(error.wording), param=error.field)
