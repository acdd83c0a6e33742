"""Services of a compose file that start an engine; the file comes as plain values."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.command_line import read_command
from modelops.domain.profiles.imports.docker_run import OURS, REASONS, find_arguments, refuse_image
from modelops.domain.profiles.imports.engine_call import EngineCommand, LeftOut, find_script

INTERPOLATED = re.compile(r"\$\$|\$\{([A-Za-z_][A-Za-z0-9_]*)(:?-)([^}]*)\}")
_READ = frozenset({"image", "command", "entrypoint", "environment", "gpus", "deploy", "env_file"})
_REASONS = {
    "volumes": REASONS["volume"],
    "ports": REASONS["publish"],
    "env_file": REASONS["env-file"],
}


def read_services(document: Mapping[str, Any]) -> dict[str, EngineCommand | FieldError]:
    """Every service by name: how it starts an engine, or why it starts none.

    Raises FieldError for what is no compose file, and for one without services.
    """
    services = document.get("services")
    if not isinstance(services, Mapping):
        raise FieldError("services", fill_in("is missing: a compose file names its containers there"))
    if not services:
        raise FieldError("services", fill_in("there are no services"))
    found: dict[str, EngineCommand | FieldError] = {}
    for name, service in services.items():
        try:
            found[str(name)] = read_service(service)
        except FieldError as exc:
            found[str(name)] = exc
    return found


def read_service(service: Any) -> EngineCommand:
    """One service as a start of an engine. Raises FieldError for one that starts none."""
    if not isinstance(service, Mapping):
        raise FieldError("service", fill_in("is no mapping"))
    image = _interpolate(str(service.get("image") or ""))
    entrypoint = _read_words(service, "entrypoint")
    words = (*entrypoint, *_read_words(service, "command"))
    script = find_script(words)
    call = (
        read_command(script, depth=1)
        if script is not None
        else EngineCommand(find_arguments(image, words) if words or "vllm" in image else _refuse(image))
    )
    environment, unknown = _read_environment(service.get("environment"))
    return replace(
        call,
        image=image,
        environment={**environment, **call.environment},
        cards=_read_cards(service),
        left_out=(*call.left_out, *unknown, *_explain_rest(service)),
    )


def _refuse(image: str) -> tuple[str, ...]:
    raise refuse_image(image)


def _read_words(service: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Compose splits a text into words as a shell does, and runs no shell."""
    value = service.get(name)
    if value is None:
        return ()
    if isinstance(value, list):
        return tuple(_interpolate(_write(each)) for each in value)
    try:
        return tuple(shlex.split(_interpolate(str(value)), comments=False))
    except ValueError as exc:
        raise FieldError(name, fill_in("has a quotation mark that is not closed")) from exc


def _interpolate(text: str) -> str:
    """The defaults of variables in their place; variables without one stay as they are."""
    return INTERPOLATED.sub(lambda match: "$" if match[0] == "$$" else match[3], text)


def _write(value: Any) -> str:
    """A value of YAML as the word that compose makes of it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read_environment(value: Any) -> tuple[dict[str, str], list[LeftOut]]:
    """As a mapping, or as a list of `NAME=value`; names alone take their value from somewhere else."""
    pairs: list[tuple[str, str | None]] = []
    if isinstance(value, Mapping):
        pairs = [(str(name), None if each is None else _write(each)) for name, each in value.items()]
    elif isinstance(value, list):
        for each in value:
            name, equals, content = str(each).partition("=")
            pairs.append((name, content if equals else None))
    known = {name: _interpolate(content) for name, content in pairs if content is not None}
    unknown = [
        LeftOut(name, fill_in("its value is not in the file")) for name, content in pairs if content is None
    ]
    return known, unknown


def _read_cards(service: Mapping[str, Any]) -> tuple[str, ...]:
    """The cards that are named one by one; a number of cards names none."""
    for device in _list_devices(service):
        ids = device.get("device_ids")
        if isinstance(ids, list):
            return tuple(str(each) for each in ids)
    return ()


def _list_devices(service: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    gpus = service.get("gpus")
    reserved: Any = service.get("deploy")
    for name in ("resources", "reservations", "devices"):
        reserved = reserved.get(name) if isinstance(reserved, Mapping) else None
    for listed in (gpus, reserved):
        if isinstance(listed, list):
            yield from (each for each in listed if isinstance(each, Mapping))


def _explain_rest(service: Mapping[str, Any]) -> Iterator[LeftOut]:
    """What of the service is about its container, which the gateway makes itself."""
    for device in _list_devices(service):
        if device.get("count") not in (None, "all", -1):
            reason = fill_in("the number of cards follows from the tensor and pipeline parallel sizes")
            yield LeftOut(f"count: {device['count']}", reason)
    for name in service:
        if name not in _READ or name == "env_file":
            yield LeftOut(str(name), _REASONS.get(str(name), OURS))
