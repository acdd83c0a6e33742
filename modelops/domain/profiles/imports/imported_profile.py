"""A profile's values from a start of an engine, with what was not taken over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.wording import fill_in
from modelops.domain.profiles.environment import VARIABLES, explain_variable, read_environment
from modelops.domain.profiles.imports.engine_call import EngineCommand, LeftOut, find_variables
from modelops.domain.profiles.imports.serve_flags import ImportedFlags, read_arguments
from modelops.domain.profiles.kinds import Problems
from modelops.domain.profiles.proposal import DEFAULT_IMAGE, make_slug
from modelops.domain.profiles.setting import list_settings
from modelops.domain.profiles.spec import ProfileSpec

CARD_VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
KNOWN_VARIABLES = frozenset(variable.name for variable in VARIABLES)


@dataclass(frozen=True)
class ImportedProfile:
    """`values` are ready for `read_profile`; what is known of the model is not among them."""

    values: Mapping[str, Any]
    left_out: tuple[LeftOut, ...]

    @property
    def repository(self) -> str:
        return str(self.values["repository"])

    @property
    def revision(self) -> str | None:
        return self.values.get("revision") or None


def import_call(call: EngineCommand) -> ImportedProfile:
    """The profile that starts an engine as the call does. Raises FieldError where it names no usable model.

    What the call leaves to vLLM is left to it here, too: one card unless it says otherwise.
    """
    settings = read_arguments(call.words)
    settings.left_out[:0] = call.left_out
    _take_image(settings, call.image)
    _take_cards(settings, call)
    _take_environment(settings, call.environment)
    repository = settings.values["repository"]
    slug = make_slug(repository)
    if "aliases" in settings.values:
        settings.values["aliases"] = [name for name in settings.values["aliases"] if name != slug]
    values = {
        "slug": slug,
        "display_name": repository.rpartition("/")[2][:100],
        "is_enabled": False,
        "tensor_parallel_size": 1,
        **settings.values,
    }
    return ImportedProfile(values, tuple(settings.left_out))


def _take_image(settings: ImportedFlags, image: str) -> None:
    settings.values["image"] = DEFAULT_IMAGE
    if not image:
        return
    problems = _try_setting(settings, "image", image)
    settings.left_out += [
        LeftOut(image, fill_in("{reason}; {image} is taken instead", reason=reason, image=DEFAULT_IMAGE))
        for reason in problems
    ]


def _take_cards(settings: ImportedFlags, call: EngineCommand) -> None:
    named = [(name, call.environment[name]) for name in CARD_VARIABLES if name in call.environment]
    if call.cards:
        named.append(("--gpus", ",".join(call.cards)))
    for name, cards in named:
        if cards == "all":
            continue
        listed = [card.strip() for card in cards.split(",") if card.strip()]
        problems = _try_setting(settings, "gpu_selection", listed)
        settings.left_out += [LeftOut(f"{name}={cards}", reason) for reason in problems]


def _try_setting(settings: ImportedFlags, name: str, value: Any) -> list[str]:
    """Take the value over, or say why not."""
    problems: Problems = []
    kind = next(each.kind for each in list_settings(ProfileSpec) if each.name == name)
    read = kind.read(name, value, problems)
    if not problems:
        settings.values[name] = list(read) if isinstance(read, tuple) else read
    return [problem.reason for problem in problems]


def _take_environment(settings: ImportedFlags, environment: Mapping[str, str]) -> None:
    taken: dict[str, str] = {}
    for name, value in environment.items():
        if name in CARD_VARIABLES:
            continue
        problems: Problems = []
        read = read_environment("environment", {name: value}, problems)
        if reasons := list(_explain_variable(name, value, problems)):
            settings.left_out += [LeftOut(name, reason) for reason in reasons]
        else:
            taken |= read
    if taken:
        settings.values["environment"] = taken


def _explain_variable(name: str, value: str, problems: Problems) -> Iterator[str]:
    if name not in KNOWN_VARIABLES:
        yield explain_variable(name)
    elif names := find_variables(value):
        yield fill_in("uses {name}, whose value is not in the text", name=names[0])
    else:
        yield from (problem.reason for problem in problems)
