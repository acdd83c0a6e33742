"""A profile's values from a start of an engine, with what was not taken over."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.wording import fill_in
from modelops.domain.profiles.environment import VARIABLES, explain_variable, read_environment
from modelops.domain.profiles.imports.engine_call import EngineCommand, LeftOut, Taken, find_variables
from modelops.domain.profiles.imports.serve_flags import ImportedFlags, read_arguments
from modelops.domain.profiles.kinds import Problems
from modelops.domain.profiles.proposal import DEFAULT_IMAGE, make_slug
from modelops.domain.profiles.setting import list_settings
from modelops.domain.profiles.spec import ProfileSpec
from modelops.domain.profiles.syntax import SERVED_NAME
from modelops.domain.profiles.trusted_code import TRUST_FLAG, explain_untrusted

CARD_VARIABLES = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
KNOWN_VARIABLES = frozenset(variable.name for variable in VARIABLES)


@dataclass(frozen=True)
class ImportedProfile:
    """`values` are ready for `read_profile`; what is known of the model is not among them."""

    values: Mapping[str, Any]
    left_out: tuple[LeftOut, ...]
    taken: tuple[Taken, ...] = ()

    @property
    def repository(self) -> str:
        return str(self.values["repository"])

    @property
    def draft_repository(self) -> str:
        """Where the model that guesses tokens lies; empty where none is named."""
        return str((self.values.get("speculative_config") or {}).get("model") or "")

    @property
    def revision(self) -> str | None:
        return self.values.get("revision") or None


def import_call(
    call: EngineCommand, *, repository: str = "", trusted_repositories: Collection[str] = ()
) -> ImportedProfile:
    """The profile that starts an engine as the call does. Raises FieldError where it names no usable model.

    What the call leaves to vLLM is left to it here, too: one card unless it says otherwise. `repository`
    takes the place of the model that it names, and only `trusted_repositories` may have code that runs.
    """
    settings = read_arguments(call.words, model=repository)
    settings.left_out[:0] = call.left_out
    _take_image(settings, call.image)
    _take_cards(settings, call)
    _take_environment(settings, call.environment)
    slug = make_slug(call.name or settings.values["repository"])
    _take_names(settings, call, slug)
    _take_trust(settings, trusted_repositories)
    if settings.values.get("lora_adapters"):
        settings.values.setdefault("enable_lora", True)
    repository = settings.values["repository"]
    if "aliases" in settings.values:
        settings.values["aliases"] = [name for name in settings.values["aliases"] if name != slug]
    values = {
        "slug": slug,
        "display_name": repository.rpartition("/")[2][:100],
        "is_enabled": False,
        "tensor_parallel_size": 1,
        **settings.values,
    }
    return ImportedProfile(values, tuple(settings.left_out), tuple(settings.taken))


def _take_names(settings: ImportedFlags, call: EngineCommand, slug: str) -> None:
    """The names under which a router served it are what its clients ask for."""
    for name in dict.fromkeys(filter(None, (call.name, *call.aliases))):
        problems: Problems = []
        SERVED_NAME.read("aliases", name, problems)
        settings.left_out += [LeftOut(name, problem.reason) for problem in problems]
        served = (settings.values.get("served_model_name"), *settings.values.get("aliases", ()))
        if name == slug:
            settings.taken.append(Taken(name, "slug", slug))
        elif not problems and name not in served:
            settings.values.setdefault("aliases", []).append(name)
            settings.taken.append(Taken(name, "aliases", name))


def _take_trust(settings: ImportedFlags, trusted: Collection[str]) -> None:
    values = settings.values
    if not values.get("trust_remote_code"):
        return
    repositories = (
        values["repository"],
        values.get("extra_flags", {}).get("tokenizer", ""),
        values.get("speculative_config", {}).get("model", ""),
    )
    if reason := explain_untrusted(filter(None, repositories), trusted):
        del values["trust_remote_code"]
        settings.taken[:] = [each for each in settings.taken if each.field != "trust_remote_code"]
        settings.left_out.append(LeftOut(TRUST_FLAG, reason))


def _take_image(settings: ImportedFlags, image: str) -> None:
    settings.values["image"] = DEFAULT_IMAGE
    if not image:
        return
    problems = _try_setting(settings, "image", image, written=image)
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
        problems = _try_setting(settings, "gpu_selection", listed, written=f"{name}={cards}")
        settings.left_out += [LeftOut(f"{name}={cards}", reason) for reason in problems]


def _try_setting(settings: ImportedFlags, name: str, value: Any, *, written: str) -> list[str]:
    """Take the value over, or say why not."""
    problems: Problems = []
    kind = next(each.kind for each in list_settings(ProfileSpec) if each.name == name)
    read = kind.read(name, value, problems)
    if not problems:
        settings.values[name] = list(read) if isinstance(read, tuple) else read
        settings.taken.append(Taken(written, name, settings.values[name]))
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
            settings.taken.append(Taken(f"{name}={value}", f"environment.{name}", read[name]))
    if taken:
        settings.values["environment"] = taken


def _explain_variable(name: str, value: str, problems: Problems) -> Iterator[str]:
    if name not in KNOWN_VARIABLES:
        yield explain_variable(name)
    elif names := find_variables(value):
        yield fill_in("uses {name}, whose value is not in the text", name=names[0])
    else:
        yield from (problem.reason for problem in problems)
