"""Read a fit question from plain JSON values, and answer it as such."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, get_args, get_type_hints

from gateway.wording import fill_in
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.check import check_fit
from modelops.domain.fit.engine_inputs import override_config, read_inputs, read_object
from modelops.domain.fit.gpu_catalog import find_card
from modelops.domain.fit.media import read_limits, read_max_pixels
from modelops.domain.fit.report import Aim, FitReport, LimitingTerm, Verdict, serialise_report
from modelops.domain.fit.specs import MIB, CheckpointFacts, EngineSettings, Gpu
from modelops.domain.fit.unconsidered import list_unconsidered, name_unconsidered

_READ_APART = frozenset(
    {
        "max_model_len",
        "is_max_model_len_auto",
        "gpu_memory_utilization",
        "is_pooling",
        "is_text_only",
        "is_version_seen",
        "cpu_offload_bytes",
        "media_limits",
        "media_max_pixels",
    }
)


def _list_names(value_type: type) -> tuple[str, ...]:
    """The engine's settings with values of this type, which a question gives under the same names."""
    hints = get_type_hints(EngineSettings)
    return tuple(
        name
        for name, hint in hints.items()
        if value_type in (hint, *get_args(hint)) and name not in _READ_APART
    )


_COUNTS, _FLAGS, _WORDS = _list_names(int), _list_names(bool), _list_names(str)


@dataclass(frozen=True)
class FitQuestion:
    """One parsed question. `id` is given back with the answer as it came."""

    id: Any
    config: Mapping[str, Any]
    settings: EngineSettings
    gpus: tuple[Gpu, ...]
    facts: CheckpointFacts
    aim: Aim = Aim.AS_ASKED
    unconsidered: tuple[str, ...] = ()
    """Flags given that change the engine's memory, and that the check does not read."""


def parse_question(raw: Mapping[str, Any]) -> FitQuestion:
    """Parse a question; raises FieldError naming the field that is missing or wrong."""
    config = raw.get("config")
    if not isinstance(config, Mapping) or not config:
        raise FieldError("config", fill_in("must be the content of the model's config.json"))
    return FitQuestion(
        id=raw.get("id"),
        config=override_config(config, read_object(raw, "hf_overrides")),
        settings=_parse_settings(raw),
        gpus=_parse_gpus(raw.get("gpus")),
        facts=_parse_facts(raw, ""),
        aim=_parse_aim(raw),
        unconsidered=list_unconsidered(
            (name for name, value in raw.items() if value is not None),
            read_object(raw, "speculative_config"),
        ),
    )


def answer_question(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Answer one question; a bad one is answered `unknown` with the field at fault, never raised."""
    try:
        question = parse_question(raw)
        report = ask(question)
    except FieldError as exc:
        report = FitReport(Verdict.UNKNOWN, LimitingTerm.INPUT, (exc.wording,))
        return {
            "id": raw.get("id"),
            **serialise_report(report),
            "error": {"field": exc.field, "reason": exc.reason},
        }
    return {"id": question.id, **serialise_report(report)}


def ask(question: FitQuestion) -> FitReport:
    """Check the question's fit. Raises FieldError for a config.json that lacks a field."""
    try:
        model = parse_architecture(question.config, question.settings.quantization)
    except UnknownLayoutError as exc:
        return FitReport(Verdict.UNKNOWN, LimitingTerm.LAYOUT, (exc.wording,))
    report = check_fit(model, question.settings, question.gpus, question.facts, aim=question.aim)
    return replace(report, notes=(*report.notes, *name_unconsidered(question.unconsidered)))


def _parse_facts(raw: Mapping[str, Any], prefix: str) -> CheckpointFacts:
    return CheckpointFacts(
        parameters=_parse_count(raw, f"{prefix}parameters"),
        weights_bytes=_parse_count(raw, f"{prefix}weights_bytes"),
    )


def _parse_settings(raw: Mapping[str, Any]) -> EngineSettings:
    values: dict[str, Any] = {name: _parse_count(raw, name) for name in _COUNTS}
    values |= {name: _parse_flag(raw, name) for name in _FLAGS}
    values |= {name: _parse_word(raw, name) for name in _WORDS}
    length = raw.get("max_model_len")
    is_auto = length in ("auto", -1)
    values["max_model_len"] = None if is_auto else _parse_count(raw, "max_model_len")
    values["is_max_model_len_auto"] = is_auto
    values["gpu_memory_utilization"] = _parse_share(raw, "gpu_memory_utilization")
    runner = raw.get("runner", raw.get("task"))
    if runner is not None:
        values["is_pooling"] = runner not in ("generate", "auto")
    values["is_text_only"] = bool(_parse_flag(raw, "language_model_only"))
    values |= read_inputs(raw, _parse_facts(raw, "draft_"))
    values["media_limits"] = _parse_limits(raw)
    values["media_max_pixels"] = _parse_max_pixels(raw)
    return EngineSettings(**{name: value for name, value in values.items() if value is not None})


def _parse_aim(raw: Mapping[str, Any]) -> Aim:
    value = raw.get("aim")
    if value is None:
        return Aim.AS_ASKED
    try:
        return Aim(value)
    except ValueError as exc:
        names = ", ".join(Aim)
        raise FieldError(
            "aim", fill_in("must be one of {names}, not {value}", names=names, value=repr(value))
        ) from exc


def _parse_limits(raw: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    limits = _parse_object(raw, "limit_mm_per_prompt")
    try:
        found = read_limits(limits)
    except (TypeError, ValueError):
        found = (("", -1),)
    if any(count < 0 for _name, count in found):
        raise FieldError(
            "limit_mm_per_prompt", fill_in("must give a number for each kind, such as image and video")
        )
    return found


def _parse_max_pixels(raw: Mapping[str, Any]) -> int | None:
    kwargs = _parse_object(raw, "mm_processor_kwargs")
    try:
        return read_max_pixels(kwargs)
    except (TypeError, ValueError) as exc:
        raise FieldError("mm_processor_kwargs", fill_in("must give max_pixels as a number")) from exc


def _parse_object(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = raw.get(name)
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return value
    raise FieldError(name, fill_in("must be an object, not {value}", value=repr(value)))


def _parse_gpus(raw: Any) -> tuple[Gpu, ...]:
    if not isinstance(raw, list) or not raw:
        raise FieldError("gpus", fill_in("must list at least one GPU"))
    return tuple(_parse_gpu(item, f"gpus[{index}]") for index, item in enumerate(raw))


def _parse_gpu(raw: Any, field: str) -> Gpu:
    if not isinstance(raw, Mapping):
        raise FieldError(field, fill_in("must be an object with name and total_mib"))
    name = raw.get("name")
    if not isinstance(name, str) or not name:
        raise FieldError(f"{field}.name", fill_in("must be the card's name"))
    total = _parse_mib(raw, "total_mib", field)
    card = find_card(name)
    if total is None and card is None:
        raise FieldError(
            f"{field}.total_mib", fill_in("is missing, and {name} is not a known card", name=repr(name))
        )
    if total is None and card is not None:
        total = card.driver_total_mib * MIB
    capability = raw.get("compute_capability")
    return Gpu(
        name=name,
        total_bytes=total or 0,
        free_bytes=_parse_mib(raw, "free_mib", field),
        compute_capability=_parse_capability(capability, f"{field}.compute_capability"),
    )


def _parse_mib(raw: Mapping[str, Any], name: str, field: str) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise FieldError(
            f"{field}.{name}", fill_in("must be a number of MiB, not {value}", value=repr(value))
        )
    if name == "total_mib" and value == 0:
        raise FieldError(f"{field}.{name}", fill_in("must be above zero"))
    return int(value * MIB)


def _parse_capability(value: Any, field: str) -> tuple[int, int] | None:
    if value is None:
        return None
    parts = str(value).split(".") if not isinstance(value, list | tuple) else [str(item) for item in value]
    if len(parts) == 2 and all(part.isdigit() for part in parts):
        return int(parts[0]), int(parts[1])
    raise FieldError(field, fill_in("must be like 8.6, not {value}", value=repr(value)))


def _parse_count(raw: Mapping[str, Any], name: str) -> int | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value <= 0:
        raise FieldError(name, fill_in("must be a whole number above zero, not {value}", value=repr(value)))
    return int(value)


def _parse_share(raw: Mapping[str, Any], name: str) -> float | None:
    value = raw.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise FieldError(name, fill_in("must be above 0 and at most 1, not {value}", value=repr(value)))
    return float(value)


def _parse_flag(raw: Mapping[str, Any], name: str) -> bool | None:
    value = raw.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise FieldError(name, fill_in("must be true or false, not {value}", value=repr(value)))


def _parse_word(raw: Mapping[str, Any], name: str) -> str | None:
    value = raw.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not value:
        raise FieldError(name, fill_in("must be a word, not {value}", value=repr(value)))
    return value
