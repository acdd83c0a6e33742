"""What the fields of a profile must agree on; no hardware is needed to know it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gateway.wording import fill_in
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.divisibility import find_parallel_problems
from modelops.domain.fit.expert_split import ExpertSplit
from modelops.domain.fit.gpu_catalog import find_card
from modelops.domain.fit.specs import ModelArchitecture
from modelops.domain.profiles.extra_flags import SIMULATOR_PREFIX
from modelops.domain.profiles.hardware_spec import HardwareSpec
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.domain.profiles.syntax import RESERVED_NAMES
from modelops.domain.profiles.trusted_code import explain_untrusted, list_code_repositories
from modelops.domain.runtimes import get_traits
from modelops.domain.switching.resting import IdleAction

_LOAD_TIME_METHODS = frozenset(
    {"fp8", "fp8_per_tensor", "fp8_per_block", "mxfp8", "bitsandbytes", "experts_int8", "torchao"}
)
"""Quantizations that the engine can apply to a plain checkpoint while it loads."""


_OTHER_NAMES = {
    "inc": "auto_round",
    "auto_awq": "awq",
    "auto_gptq": "gptq",
    "modelopt_mxfp8": "modelopt",
    "modelopt_mixed": "modelopt",
    "gpt_oss_mxfp4": "mxfp4",
}
"""Methods that read the same checkpoints as another, by the names without dashes."""


def find_profile_conflicts(
    spec: ProfileSpec, *, trusted_repositories: Collection[str] = ()
) -> list[FieldError]:
    """Return every conflict between fields whose values are right one by one.

    Code is run of `trusted_repositories` only.
    """
    return [
        *_check_names(spec),
        *_check_runtime(spec),
        *_check_rest(spec),
        *_check_batch(spec),
        *_check_cards(spec),
        *_check_cluster(spec),
        *_check_model(spec),
        *_check_adapters(spec),
        *_check_code(spec, trusted_repositories),
    ]


def find_hardware_conflicts(spec: HardwareSpec) -> list[FieldError]:
    """A card that is not in the catalog must be described in full."""
    if find_card(spec.gpu_name) is not None:
        return []
    unknown = f"is needed: {spec.gpu_name!r} is not a known card"
    conflicts = []
    if spec.gpu_memory_mib is None:
        conflicts.append(FieldError("gpu_memory_mib", unknown))
    if not spec.compute_capability:
        conflicts.append(FieldError("compute_capability", unknown))
    return conflicts


def _check_names(spec: ProfileSpec) -> Iterator[FieldError]:
    named = [("slug", spec.slug), ("served_model_name", spec.served_model_name)]
    named += [(f"aliases[{index}]", alias) for index, alias in enumerate(spec.aliases)]
    for field, name in named:
        if name in RESERVED_NAMES:
            yield FieldError(
                field, fill_in("{name} is reserved: it stands for whatever is served", name=repr(name))
            )
    for index, alias in enumerate(spec.aliases):
        if alias in (spec.slug, spec.served_model_name):
            yield FieldError(
                f"aliases[{index}]", fill_in("repeats {alias}, which is served anyway", alias=repr(alias))
            )
    if spec.is_default and not spec.is_enabled:
        yield FieldError("is_default", fill_in("must not be set on a disabled profile"))


def _check_rest(spec: ProfileSpec) -> Iterator[FieldError]:
    if spec.idle_after_s and spec.idle_action == IdleAction.SLEEP and not spec.enable_sleep_mode:
        yield FieldError("idle_action", fill_in("sleep needs enable_sleep_mode"))
    if spec.idle_after_s and spec.replicas > 1:
        yield FieldError("idle_after_s", fill_in("a profile that runs as several engines does not rest"))


def _check_runtime(spec: ProfileSpec) -> Iterator[FieldError]:
    is_simulated = spec.engine == EngineKind.SIMULATOR
    if get_traits(spec.runtime).needs_image and not spec.image:
        yield FieldError("image", fill_in("is needed by the runtime {runtime}", runtime=spec.runtime))
    if not is_simulated and not spec.repository:
        yield FieldError("repository", fill_in("is needed by the engine vllm"))
    if spec.replicas > 1 and not get_traits(spec.runtime).is_managed:
        yield FieldError(
            "replicas",
            fill_in("must be 1 with the runtime {runtime}, which starts no engine", runtime=spec.runtime),
        )
    if not is_simulated:
        for name in spec.extra_flags:
            if name.startswith(SIMULATOR_PREFIX):
                yield FieldError(f"extra_flags.{name}", fill_in("is for the engine simulator alone"))


def _check_batch(spec: ProfileSpec) -> Iterator[FieldError]:
    """`SchedulerConfig.verify_max_model_len` (vllm/config/scheduler.py) refuses the same."""
    tokens, seqs, length = spec.max_num_batched_tokens, spec.max_num_seqs, spec.max_model_len
    if tokens is not None and seqs is not None and tokens < seqs:
        yield FieldError(
            "max_num_batched_tokens",
            fill_in("must not be below max_num_seqs ({seqs}), but is {tokens}", seqs=seqs, tokens=tokens),
        )
    is_whole_prompt = spec.extra_flags.get("enable-chunked-prefill") is False
    if is_whole_prompt and tokens is not None and length is not None and tokens < length:
        reason = f"must not be below max_model_len ({length}) without chunked prefill, but is {tokens}"
        yield FieldError("max_num_batched_tokens", reason)
    if spec.max_output_tokens is not None and length is not None and spec.max_output_tokens > length:
        reason = f"must not be above max_model_len ({length}), but is {spec.max_output_tokens}"
        yield FieldError("max_output_tokens", reason)


def _check_cards(spec: ProfileSpec) -> Iterator[FieldError]:
    needed = (spec.tensor_parallel_size or 1) * spec.pipeline_parallel_size
    if spec.gpu_selection and needed > len(spec.gpu_selection):
        field = "pipeline_parallel_size" if spec.tensor_parallel_size in (None, 1) else "tensor_parallel_size"
        chosen = len(spec.gpu_selection)
        yield FieldError(
            field,
            fill_in("takes {needed} GPUs, but gpu_selection names {chosen}", needed=needed, chosen=chosen),
        )
    elif spec.gpu_selection and needed * spec.replicas > len(spec.gpu_selection):
        yield FieldError(
            "replicas",
            fill_in(
                "take {needed} GPUs each, but gpu_selection names {chosen}",
                needed=needed,
                chosen=len(spec.gpu_selection),
            ),
        )


def _check_cluster(spec: ProfileSpec) -> Iterator[FieldError]:
    """What a cluster that places its engines itself can do, and what only such a one can."""
    most = spec.max_replicas
    if most is not None and most < spec.replicas:
        reason = fill_in(
            "must not be below replicas ({least}), but is {most}", least=spec.replicas, most=most
        )
        yield FieldError("max_replicas", reason)
    if not get_traits(spec.runtime).places_engines:
        for name, is_set in (
            ("accelerator_type", bool(spec.accelerator_type)),
            ("max_replicas", most is not None and most > 1),
        ):
            if is_set:
                yield FieldError(name, fill_in("is for the runtime ray alone"))
        return
    for name, is_set in (
        ("gpu_selection", bool(spec.gpu_selection)),
        ("lora_adapters", bool(spec.lora_adapters)),
        ("enable_sleep_mode", spec.enable_sleep_mode),
    ):
        if is_set:
            yield FieldError(
                name, fill_in("is not for the runtime ray: the cluster chooses cards and engines")
            )


def _check_model(spec: ProfileSpec) -> Iterator[FieldError]:
    """What config.json decides. Nothing is said where it is missing or its layout is not understood."""
    if not spec.config:
        return
    try:
        model = parse_architecture(spec.effective_config, spec.quantization or None)
    except UnknownLayoutError:
        return
    except FieldError as exc:
        yield exc
        return
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError) as exc:
        yield FieldError(
            "config", fill_in("cannot be read as a model's config.json ({problem})", problem=exc)
        )
        return
    yield from _check_context(spec, model)
    yield from _check_quantization(spec)
    field = "pipeline_parallel_size" if spec.tensor_parallel_size in (None, 1) else "tensor_parallel_size"
    ranks = spec.tensor_parallel_size or 1
    is_whole = spec.extra_flags.get("enable-expert-parallel") is True
    experts = ExpertSplit.make(tensor_parallel_size=ranks, data_parallel_size=1, is_whole=is_whole)
    problems = find_parallel_problems(model, ranks, spec.pipeline_parallel_size, experts=experts)
    yield from (FieldError(field, problem) for problem in problems)


def _check_context(spec: ProfileSpec, model: ModelArchitecture) -> Iterator[FieldError]:
    longest = model.max_positions
    if spec.max_model_len is not None and longest is not None and spec.max_model_len > longest:
        yield FieldError(
            "max_model_len",
            fill_in(
                "is {max_model_len}, but the model ends at {longest} positions",
                max_model_len=spec.max_model_len,
                longest=longest,
            ),
        )


def _check_adapters(spec: ProfileSpec) -> Iterator[FieldError]:
    if spec.lora_adapters and not spec.enable_lora:
        yield FieldError("lora_adapters", fill_in("need enable_lora: true"))
    for name in spec.lora_adapters:
        if name in spec.served_names or name in RESERVED_NAMES:
            yield FieldError(
                f"lora_adapters.{name}",
                fill_in("is a name of the model itself: give the adapter another one"),
            )


def _check_code(spec: ProfileSpec, trusted: Collection[str]) -> Iterator[FieldError]:
    if spec.trust_remote_code and (reason := explain_untrusted(list_code_repositories(spec), trusted)):
        yield FieldError("trust_remote_code", reason)


def _check_quantization(spec: ProfileSpec) -> Iterator[FieldError]:
    """`_verify_quantization` (vllm/config/model.py): the flag must agree with the checkpoint."""
    asked = spec.quantization
    if not asked:
        return
    declared = spec.config.get("quantization_config") or spec.config.get("compression_config")
    if not declared:
        if asked not in _LOAD_TIME_METHODS:
            yield FieldError(
                "quantization",
                fill_in("is {asked}, but config says that the weights are not quantized", asked=asked),
            )
        return
    method = str(declared.get("quant_method", "")) if isinstance(declared, dict) else ""
    if asked == "moe_wna16" and _squash(method) in ("awq", "gptq"):
        return
    if method and _squash(asked) != _squash(method):
        yield FieldError(
            "quantization",
            fill_in("is {asked}, but config says that the weights are {method}", asked=asked, method=method),
        )


def _squash(method: str) -> str:
    plain = method.lower().replace("-", "_").removesuffix("_marlin").removesuffix("_fp4")
    return _OTHER_NAMES.get(plain, plain)
