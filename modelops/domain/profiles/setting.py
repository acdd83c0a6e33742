"""What is declared of a setting of a profile, once, where its dataclass field stands.

Everything else that concerns a setting follows from its declaration: how the file of profiles is read and
written, the part of the admin's form it is in, its flag on the engine's command line, whether measurements
of one start hold for another, the table in the documentation. Only the database's columns are written out a
second time, for migrations; a test compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from functools import cache
from typing import Any

from modelops.domain.profiles.kinds import Kind

REQUIRED: Any = MISSING
"""The default of a setting that has none."""


class Section(StrEnum):
    """The parts of a profile, in the order of the admin's form; the values are their headings."""

    IDENTITY = ""
    USE = "Use"
    MODEL = "Model"
    PLACEMENT = "Where it runs"
    MEMORY = "Memory and parallelism"
    ADAPTERS = "Adapters"
    FURTHER_FLAGS = "Further flags"
    LIMITS = "Limits"
    PRICE = "Price"
    FACTS = "Facts of the model"


ENGINE_SECTIONS = frozenset(
    {Section.MODEL, Section.PLACEMENT, Section.MEMORY, Section.ADAPTERS, Section.FURTHER_FLAGS}
)
"""What an engine is started from. The other sections are for people and for the gateway."""


@dataclass(frozen=True)
class EngineFlag:
    """How a setting is written on the engine's command line. Names are without the dashes in front."""

    name: str
    when_none: str | None = None
    """The flag's value where the setting is None; without one, the flag is left out."""
    needs_switch: str | None = None
    """A switch that the engine needs beside this flag."""
    convert: Callable[[Any], Any] | None = None
    """Makes the flag's value from the setting's; a list becomes several words behind the one flag."""
    restore: Callable[[list[str]], Any] | None = None
    """Makes the setting's value from such words; None for a flag of one word. Raises FieldError."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of a profile or a hardware profile, as it was declared."""

    name: str
    kind: Kind
    initial: Any
    help: str
    section: Section | None
    flag: EngineFlag | None
    decides_memory: bool
    """Whether an engine that is started with another value takes another amount of memory."""
    is_beyond_estimate: bool
    """Whether the estimate of that amount leaves it out, so that a report has to say so."""

    @property
    def is_required(self) -> bool:
        return self.initial is REQUIRED

    @property
    def default(self) -> Any:
        """The stored form of what a missing entry means; a container is made anew each time."""
        return dict(self.initial) if isinstance(self.initial, dict) else self.initial

    @property
    def is_engine_setting(self) -> bool:
        """Whether the engine itself is started with it."""
        return self.flag is not None or self.section in ENGINE_SECTIONS


def setting(
    kind: Kind,
    default: Any,
    help_text: str,
    *,
    section: Section | None = None,
    flag: EngineFlag | None = None,
    decides_memory: bool = False,
    is_beyond_estimate: bool = False,
) -> Any:
    """Declare a setting, as a field of a dataclass. `default` is in its stored form, or REQUIRED."""
    metadata = {
        "kind": kind,
        "initial": default,
        "help": help_text,
        "section": section,
        "flag": flag,
        "decides_memory": decides_memory,
        "is_beyond_estimate": is_beyond_estimate,
    }
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def list_settings(spec_type: type[Any]) -> tuple[Setting, ...]:
    """The settings that a dataclass declares, in the order of its fields."""
    return _read_fields(spec_type)  # type: ignore[arg-type]  # classes are hashable


@cache
def _read_fields(spec_type: type[Any]) -> tuple[Setting, ...]:
    return tuple(Setting(name=each.name, **each.metadata) for each in fields(spec_type))


def leave_defaults_out(spec_type: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """Those of a profile's plain values that differ from their defaults, in the order of its settings."""
    defaults = {each.name: to_plain(each.default) for each in list_settings(spec_type)}
    return {name: values[name] for name, default in defaults.items() if values[name] != default}


def to_plain(value: Any) -> Any:
    """A setting's value as plain JSON: tuples become lists."""
    return list(value) if isinstance(value, tuple) else value
