"""Read a file of profiles into valid specs, or find everything that is wrong with it. No database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.wording import fill_in
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.reading import Reading, read_hardware
from modelops.domain.profiles.spec import ProfileSpec
from modelops.models.profile_reading import read_own_profile
from modelops.profiles.seed_result import InvalidEntry
from modelops.profiles.seed_yaml import YamlEntry, parse_document

SpecT = TypeVar("SpecT", ProfileSpec, HardwareSpec)


@dataclass(frozen=True)
class SeedEntry(Generic[SpecT]):
    """A valid profile and where it is written."""

    spec: SpecT
    source: YamlEntry

    @property
    def slug(self) -> str:
        return self.spec.slug


@dataclass(frozen=True)
class SeedFile:
    """The file's entries; none of them counts while there is anything in `invalid`."""

    profiles: tuple[SeedEntry[ProfileSpec], ...]
    hardware_profiles: tuple[SeedEntry[HardwareSpec], ...]
    invalid: tuple[InvalidEntry, ...]


def read_seed_file(text: str) -> SeedFile:
    """Read the YAML; mistakes are in the order of their lines."""
    document = parse_document(text)
    invalid = [InvalidEntry(each.line, "", each.path, each.reason) for each in document.problems]
    profiles = _read_entries(document.profiles, read_own_profile, invalid)
    hardware_profiles = _read_entries(document.hardware_profiles, read_hardware, invalid)
    invalid += _find_repeats(document.profiles)
    invalid += _find_repeats(document.hardware_profiles)
    invalid += _find_second_defaults(document.profiles)
    invalid += _find_name_conflicts(document.profiles)
    ordered = sorted(dict.fromkeys(invalid), key=lambda mistake: mistake.line)
    return SeedFile(tuple(profiles), tuple(hardware_profiles), tuple(ordered))


def _read_entries(
    sources: Sequence[YamlEntry],
    read: Callable[[Mapping[str, Any]], Reading[SpecT]],
    invalid: list[InvalidEntry],
) -> list[SeedEntry[SpecT]]:
    entries = []
    for source in sources:
        reading = read(source.values)
        if reading.spec is not None:
            entries.append(SeedEntry(reading.spec, source))
        for problem in reading.problems:
            line = source.find_line(problem.field)
            invalid.append(InvalidEntry(line, source.slug, problem.field, problem.reason))
    return entries


def _find_repeats(sources: Sequence[YamlEntry]) -> Iterator[InvalidEntry]:
    first: dict[str, int] = {}
    for source in sources:
        line = source.find_line("slug")
        if source.slug in first:
            reason = fill_in("is taken by the entry on line {first}", first=first[source.slug])
            yield InvalidEntry(line, source.slug, "slug", reason)
        elif source.slug:
            first[source.slug] = line


def _find_second_defaults(sources: Sequence[YamlEntry]) -> Iterator[InvalidEntry]:
    defaults = [source for source in sources if source.values.get("is_default") is True]
    for source in defaults[1:]:
        reason = fill_in("{slug} is the default already", slug=repr(defaults[0].slug))
        yield InvalidEntry(source.find_line("is_default"), source.slug, "is_default", reason)


def _find_name_conflicts(sources: Sequence[YamlEntry]) -> Iterator[InvalidEntry]:
    """A slug may not be a name that another profile serves too."""
    slugs = {source.slug for source in sources}
    for source in sources:
        aliases = source.values.get("aliases")
        names = [("served_model_name", source.values.get("served_model_name"))]
        if isinstance(aliases, list):
            names += [(f"aliases[{index}]", name) for index, name in enumerate(aliases)]
        adapters = source.values.get("lora_adapters")
        if isinstance(adapters, dict):
            names += [(f"lora_adapters.{name}", name) for name in adapters]
        for field, name in names:
            if isinstance(name, str) and name in slugs - {source.slug}:
                reason = fill_in("{name} is another profile's slug", name=repr(name))
                yield InvalidEntry(source.find_line(field), source.slug, field, reason)
