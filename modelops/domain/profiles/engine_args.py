"""A profile as the engine's command line and environment, and as the fit check's settings."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from modelops.domain.errors import FieldError
from modelops.domain.fit.engine_defaults import parse_version
from modelops.domain.fit.engine_inputs import read_inputs
from modelops.domain.fit.gpu_catalog import find_card
from modelops.domain.fit.media import list_unread, read_limits, read_max_pixels
from modelops.domain.fit.specs import MIB, CheckpointFacts, EngineSettings, Gpu
from modelops.domain.fit.unconsidered import list_unconsidered
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.parsers import resolve_parsers
from modelops.domain.profiles.setting import EngineFlag, list_settings
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.domain.runtimes import get_traits

_FIT_SETTINGS = frozenset(each.name for each in fields(EngineSettings))
_SAME_IN_FIT_CHECK = _FIT_SETTINGS & {each.name for each in list_settings(ProfileSpec)} - {"engine"}
"""Settings that the fit check calls by the same names. Its `engine` is another thing: vLLM's V0 or V1."""

_TAG_VERSION = re.compile(r"(?:^|vllm[_-])v?(\d\.\d+(?:\.\d+)?)(?!\d)")
_OLDEST_VERSION = (0, 6, 0)

MEDIA_ENVIRONMENT = {"VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0"}


def build_serve_arguments(
    spec: ProfileSpec, *, tensor_parallel_size: int | None = None, max_model_len: int | None = None
) -> list[str]:
    """Return `serve MODEL --flag value …` for `vllm` (or the simulator), in an order that never varies.

    The two numbers replace the profile's: what `auto` was resolved to, or a shorter context for another
    try. Where the size is left at `auto`, one card is used; parsers left at it are those of the model's
    family. Host, port and key are the runtime's to add.
    Each item is one argument; none is meant for a shell.
    """
    spec = resolve_parsers(spec)
    replaced = {"tensor_parallel_size": tensor_parallel_size, "max_model_len": max_model_len}
    arguments = ["serve", spec.repository or spec.slug, "--served-model-name", *spec.served_names]
    for each in list_settings(ProfileSpec):
        if each.flag is not None and each.name != "served_model_name":
            value = replaced.get(each.name) or getattr(spec, each.name)
            arguments += _write_setting(each.flag, value)
    for name in sorted(spec.extra_flags):
        arguments += _write_flag(name, spec.extra_flags[name])
    return arguments


def _write_setting(flag: EngineFlag, value: Any) -> Iterator[str]:
    """Write nothing for a value that leaves the engine's default: none, an empty one, false."""
    if value is None:
        value = flag.when_none
    if value in (None, "", False, {}, ()):
        return
    if flag.needs_switch is not None:
        yield f"--{flag.needs_switch}"
    written = value if flag.convert is None else flag.convert(value)
    if flag.restore is not None:
        yield from (f"--{flag.name}", *written)
    else:
        yield from _write_flag(flag.name, written)


def _write_flag(name: str, value: Any) -> Iterator[str]:
    """A switch by its name alone (or its opposite's), a list by repeating the flag."""
    if isinstance(value, bool):
        yield f"--{name}" if value else f"--no-{name}"
    elif isinstance(value, list | tuple):
        for item in value:
            yield f"--{name}"
            yield str(item)
    else:
        yield f"--{name}"
        yield json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else str(value)


def build_environment(spec: ProfileSpec) -> dict[str, str]:
    """Return the variables the profile gives its engine, sorted by name.

    Sleeping needs the engine's development endpoints; they are why its port is never published. Redirects are
    not followed to images unless the profile says so: a host that is allowed could lead to one that is not.
    """
    defaults = MEDIA_ENVIRONMENT if spec.engine == EngineKind.VLLM else {}
    environment = {**defaults, **spec.environment}
    if spec.enable_sleep_mode:
        environment["VLLM_SERVER_DEV_MODE"] = "1"
    return dict(sorted(environment.items()))


def to_engine_settings(spec: ProfileSpec, *, tensor_parallel_size: int | None = None) -> EngineSettings:
    """Return the profile's flags for the fit check. An `auto` size is the one given, else one card."""
    flags = {name.replace("-", "_"): value for name, value in spec.extra_flags.items()}
    runner = flags.get("runner")
    same = {name: getattr(spec, name) for name in _SAME_IN_FIT_CHECK}
    further = {name: flags[name] for name in _FIT_SETTINGS if name in flags}
    resolved = {
        "tensor_parallel_size": tensor_parallel_size or spec.tensor_parallel_size or 1,
        "quantization": spec.quantization or None,
        "is_max_model_len_auto": spec.max_model_len is None,
        "vllm_version": find_spec_version(spec) or _find_odd_tag(spec),
        "engine": "v0" if spec.environment.get("VLLM_USE_V1") == "0" else None,
        "is_pooling": runner == "pooling" if runner in ("generate", "pooling") else None,
        "is_text_only": bool(flags.get("language_model_only")),
        "pp_layer_partition": spec.environment.get("VLLM_PP_LAYER_PARTITION"),
        "media_limits": read_limits(spec.limit_mm_per_prompt),
        "media_max_pixels": read_max_pixels(flags.get("mm_processor_kwargs") or {}),
    }
    return EngineSettings(**same | further | resolved | _read_inputs(spec, flags))


def _read_inputs(spec: ProfileSpec, flags: Mapping[str, Any]) -> dict[str, Any]:
    """A draft whose config.json is not understood is one that is not known; the report says so."""
    given = {**flags, **_list_engine_values(spec)}
    try:
        return read_inputs(given)
    except FieldError:
        return read_inputs({**given, "draft_config": None})


def _list_engine_values(spec: ProfileSpec) -> dict[str, Any]:
    """What the profile says of adapters and of guessing tokens, under the names of the engine's flags."""
    names = ("speculative_config", "draft_config", "enable_lora", "max_loras", "max_lora_rank")
    return {name: getattr(spec, name) for name in names}


def list_unestimated(spec: ProfileSpec) -> tuple[str, ...]:
    """The flags given that change an engine's memory in a way that the fit check does not know."""
    settings = [
        f"--{each.flag.name}"
        for each in list_settings(ProfileSpec)
        if each.is_beyond_estimate and each.flag is not None and getattr(spec, each.name) != each.default
    ]
    media = list_unread(spec.limit_mm_per_prompt, spec.extra_flags.get("mm-processor-kwargs") or {})
    named = (f"--{name.replace('_', '-')}" for name in media)
    return (*settings, *named, *list_unconsidered(spec.extra_flags))


def find_image_version(image: str) -> str | None:
    """Return the vLLM that an image's tag names, such as "0.11.0" of `vllm/vllm-openai:v0.11.0-cu128`.

    None for a digest alone, for `latest` and `nightly`, and for tags that count in another way: by the month
    (NVIDIA's `25.09-py3`), by CUDA, or from another project's beginning.
    """
    match = _TAG_VERSION.search(_get_tag(image))
    return match[1] if match and (parse_version(match[1]) or _OLDEST_VERSION) >= _OLDEST_VERSION else None


def find_spec_version(spec: ProfileSpec) -> str | None:
    """The version by the profile's image; a program on this machine says its own only when it starts."""
    return find_image_version(spec.image) if get_traits(spec.runtime).needs_image else None


def _find_odd_tag(spec: ProfileSpec) -> str | None:
    """A tag that says no version, by which starts of one image are known again: `latest`."""
    tag = _get_tag(spec.image) if get_traits(spec.runtime).needs_image else ""
    return tag if tag and parse_version(tag) is None else None


def _get_tag(image: str) -> str:
    return image.partition("@")[0].rpartition("/")[2].partition(":")[2]


def to_checkpoint_facts(spec: ProfileSpec) -> CheckpointFacts:
    return CheckpointFacts(parameters=spec.parameters, weights_bytes=spec.weights_bytes)


def to_gpus(spec: HardwareSpec) -> tuple[Gpu, ...]:
    """Return the cards of a hardware profile, all memory free."""
    card = find_card(spec.gpu_name)
    total_mib = spec.gpu_memory_mib or (card.driver_total_mib if card else 0)
    major, _, minor = spec.compute_capability.partition(".")
    capability = (int(major), int(minor)) if spec.compute_capability else None
    return (Gpu(spec.gpu_name, total_mib * MIB, compute_capability=capability),) * spec.gpu_count
