"""How a setting of a profile is declared: as a field of a dataclass, with the kind of its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, field, fields
from typing import Any

from modelops.domain.profiles.values import Kind

REQUIRED: Any = MISSING


def setting(kind: Kind, default: Any, help_text: str, *, flag_name: str = "") -> Any:
    """A dataclass field with the kind of its values; a container as default is made anew each time."""
    metadata = {"kind": kind, "help": help_text, "flag": flag_name}
    if default is REQUIRED:
        return field(metadata=metadata)
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def list_settings(spec_type: type[Any]) -> Iterator[Field[Any]]:
    yield from fields(spec_type)


def get_kind(spec_field: Field[Any]) -> Kind:
    kind: Kind = spec_field.metadata["kind"]
    return kind


def is_required(spec_field: Field[Any]) -> bool:
    return spec_field.default is MISSING and spec_field.default_factory is MISSING


def get_default(spec_field: Field[Any]) -> Any:
    """The stored form of what a missing entry means."""
    if spec_field.default_factory is not MISSING:
        return spec_field.default_factory()
    return spec_field.default
