"""The table of a profile's settings, as the fields of a frozen value.

Each declaration gives the values that a setting takes, its default, its section, the vLLM flag it becomes
and whether it decides an engine's memory; see `setting` for what follows from it. The order of the fields is
that of the YAML, of the engine's command line and of the documentation. Stored forms: a tensor parallel size
or a context of None means `auto`, other numbers of None mean the engine's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from modelops.domain.fit.engine_inputs import override_config
from modelops.domain.profiles import syntax
from modelops.domain.profiles.flag_settings import FlagSettings
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.kinds import boolean, choice, document, number, text, whole
from modelops.domain.profiles.setting import REQUIRED, EngineFlag, Section, list_settings, setting, to_plain
from modelops.domain.runtimes import RUNTIMES, RuntimeKind
from modelops.domain.switching.resting import IdleAction

MOST_REPLICAS = 16
"""Engines of one profile in one slot. Beyond what one machine has, another scheduler does it better."""


class EngineKind(StrEnum):
    VLLM = "vllm"
    SIMULATOR = "simulator"


IDLE_ACTION = choice(*(action.value for action in IdleAction))
IDLE_SETTINGS = frozenset({"idle_after_s", "idle_action"})
"""They are read from the profile whenever they count: an engine that was started with others is the same."""
_IMAGE_RUNTIMES = " or ".join(f"`{kind}`" for kind, traits in RUNTIMES.items() if traits.needs_image)


@dataclass(frozen=True, kw_only=True)
class _NamingSettings:
    """The part of `ProfileSpec` that says what is served, under which name and where."""

    # What people see
    slug: str = setting(
        syntax.SLUG, REQUIRED, "Name of the profile, and of the model for clients.", section=Section.IDENTITY
    )
    display_name: str = setting(
        text(100, may_be_empty=False), REQUIRED, "Name for people.", section=Section.IDENTITY
    )
    description_en: str = setting(
        text(2000, many_lines=True), "", "What was chosen and why, in English.", section=Section.IDENTITY
    )
    description_ko: str = setting(
        text(2000, many_lines=True), "", "The same in Korean.", section=Section.IDENTITY
    )
    tags: tuple[str, ...] = setting(syntax.TAGS, (), "Words to find it by.", section=Section.IDENTITY)
    is_enabled: bool = setting(
        boolean(), True, "Disabled profiles cannot be switched to.", section=Section.USE
    )
    is_default: bool = setting(
        boolean(), False, "Started first where nothing else is asked for; one at most.", section=Section.USE
    )

    # The model
    repository: str = setting(
        syntax.REPOSITORY,
        "",
        "Model repository; empty only for the simulator.",
        section=Section.MODEL,
        decides_memory=True,
    )
    revision: str = setting(
        syntax.REVISION,
        "",
        "Its branch, tag or commit.",
        section=Section.MODEL,
        flag=EngineFlag("revision"),
        decides_memory=True,
    )
    trust_remote_code: bool = setting(
        boolean(),
        False,
        "Runs code of the repository, where TRUST_REMOTE_CODE_REPOSITORIES names it.",
        section=Section.MODEL,
        flag=EngineFlag("trust-remote-code"),
    )
    served_model_name: str = setting(
        syntax.SERVED_NAME,
        "",
        "Name in responses, the slug when empty.",
        section=Section.USE,
        flag=EngineFlag("served-model-name"),
    )
    aliases: tuple[str, ...] = setting(
        syntax.ALIASES, (), "Further names that clients may use.", section=Section.USE
    )

    # Where it runs
    engine: str = setting(
        choice(*EngineKind),
        EngineKind.VLLM.value,
        "vLLM, or the simulated engine.",
        section=Section.PLACEMENT,
        decides_memory=True,
    )
    runtime: str = setting(
        choice(*RuntimeKind), RuntimeKind.DOCKER.value, "What starts the engine.", section=Section.PLACEMENT
    )
    image: str = setting(
        syntax.IMAGE,
        "",
        f"Container image; needed by the runtime {_IMAGE_RUNTIMES}.",
        section=Section.PLACEMENT,
        decides_memory=True,
    )
    gpu_selection: tuple[str, ...] = setting(
        syntax.GPU_SELECTION, (), "Cards to use; empty means any.", section=Section.PLACEMENT
    )
    replicas: int = setting(
        whole(1, MOST_REPLICAS),
        1,
        "Equal engines that share the requests, each on cards of its own.",
        section=Section.PLACEMENT,
    )
    max_replicas: int | None = setting(
        whole(1, MOST_REPLICAS, is_optional=True),
        None,
        "Most of them on a cluster, by load; empty means that many and no more.",
        section=Section.PLACEMENT,
    )
    accelerator_type: str = setting(
        syntax.ACCELERATOR,
        "",
        "Kind of cards on a cluster, as its nodes name them, such as `A10G`; `cpu` for none.",
        decides_memory=True,
        section=Section.PLACEMENT,
    )


@dataclass(frozen=True, kw_only=True)
class ProfileSpec(FlagSettings, _NamingSettings):
    """One way to serve one model. Its fields begin with those of the last base, as dataclasses order them."""

    # What is known of the model
    config: Mapping[str, Any] = setting(
        document(64_000),
        {},
        "What decides its memory, from the repository's config.json.",
        section=Section.FACTS,
    )
    draft_config: Mapping[str, Any] = setting(
        document(64_000),
        {},
        "The same of the draft model that `speculative_config` names.",
        section=Section.FACTS,
    )
    parameters: int | None = setting(
        whole(1, 10**15, is_optional=True), None, "Number of parameters.", section=Section.FACTS
    )
    weights_bytes: int | None = setting(
        whole(1, 10**16, is_optional=True),
        None,
        "Size of the weights on disk; empty when not known.",
        section=Section.FACTS,
    )
    facts_source: str = setting(
        text(1000, many_lines=True), "", "Where these facts come from.", section=Section.FACTS
    )

    # What the gateway allows while it is served
    max_concurrent_requests: int | None = setting(
        whole(1, 100_000, is_optional=True),
        None,
        "Requests at a time; empty means no limit of its own.",
        section=Section.LIMITS,
    )
    max_output_tokens: int | None = setting(
        whole(1, 20_000_000, is_optional=True),
        None,
        "Most tokens of one answer; empty means the context.",
        section=Section.LIMITS,
    )

    # What becomes of it while nobody uses it
    idle_after_s: int | None = setting(
        whole(1, 30 * 24 * 3600, is_optional=True),
        None,
        "Seconds without a request after which the engine rests until the next one; empty means never.",
        section=Section.LIMITS,
    )
    idle_action: str = setting(
        IDLE_ACTION,
        IdleAction.STOP.value,
        "How it rests: `sleep` keeps the weights in host memory (needs enable_sleep_mode), `stop` ends it.",
        section=Section.LIMITS,
    )

    # What its use is charged at
    cost_per_million_prompt_tokens: float | None = setting(
        number(0.0, 1_000_000.0, is_optional=True),
        None,
        "Price of a million prompt tokens in COST_CURRENCY, from the next switch to it; empty is free.",
        section=Section.PRICE,
    )
    cost_per_million_completion_tokens: float | None = setting(
        number(0.0, 1_000_000.0, is_optional=True),
        None,
        "Price of a million tokens of answers.",
        section=Section.PRICE,
    )

    @property
    def served_names(self) -> tuple[str, ...]:
        """Every name clients may use; the first is the one in responses."""
        return tuple(dict.fromkeys((self.served_model_name or self.slug, self.slug, *self.aliases)))

    @property
    def effective_config(self) -> dict[str, Any]:
        """The config.json as the engine reads it, with `hf_overrides` in it; empty where it is not known."""
        return dict(override_config(self.config, self.hf_overrides)) if self.config else {}


Spec = ProfileSpec | HardwareSpec


def to_values(spec: Spec) -> dict[str, Any]:
    """The spec as plain JSON values under its fields' names."""
    return {each.name: to_plain(getattr(spec, each.name)) for each in list_settings(type(spec))}
