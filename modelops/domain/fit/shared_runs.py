"""One start as a line of JSON that says nothing of whose it was, and back.

The form is that of the runs that the fit check is calibrated on, with the model's shape inside.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any

from gateway.wording import fill_in
from modelops.domain.engine_log.sizes import EngineSizes
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.config_shape import Config, reduce_config
from modelops.domain.fit.engine_defaults import parse_version
from modelops.domain.fit.engine_inputs import write_inputs
from modelops.domain.fit.gpu_catalog import find_card
from modelops.domain.fit.question import FitQuestion, parse_question
from modelops.domain.fit.specs import GIB, MIB, CheckpointFacts, EngineSettings

STARTED = "fits"
"""The outcome of a start that came to serve; all other words are failures."""

MEASURED_SIZES: Mapping[str, str] = {
    "weights_gib": "weights_bytes",
    "activation_gib": "activation_bytes",
    "non_torch_gib": "non_torch_bytes",
    "cuda_graph_gib": "graph_bytes",
    "cuda_graph_est_gib": "graph_estimate_bytes",
    "kv_cache_gib": "available_kv_bytes",
    "kv_tokens": "kv_cache_tokens",
    "max_concurrency": "max_concurrency",
}
"""What a line calls a size, and what the engine's log does (`EngineSizes`)."""

_PLAIN_WORD = re.compile(r"[A-Za-z0-9_.:*^$+()|\[\]\\-]{1,80}")
"""No space, slash or @: no path, address or name of somebody."""
_CARD_NAME = re.compile(
    r"(?:NVIDIA|AMD|Instinct|GeForce|Tesla|Quadro|TITAN|RTX|GTX|PRO|Ti|SUPER|Ada|Blackwell|Generation|Laptop|GPU"
    r"|Workstation|Server|Edition|PCIe|SXM|NVL|Orin|Max-Q|D|V|[A-Z]{0,2}\d{1,4}[A-Z]{0,2}(?:-[A-Z0-9]{2,5}){0,3})"
)
"""One word of a card's name, as drivers write them."""
_DIGITS = 4


class NotShareable(ValueError):
    """The start cannot be told without saying more than it should, or not as it was; the message says why."""

    def __init__(self, wording: str) -> None:
        super().__init__(wording)
        self.wording = wording


@dataclass(frozen=True)
class SharedRun:
    """`measured` has the names of `MEASURED_SIZES`, in GiB, tokens and requests."""

    id: str
    question: FitQuestion
    outcome: str
    measured: Mapping[str, float]
    is_first_start: bool

    @property
    def has_started(self) -> bool:
        return self.outcome == STARTED


def write_run(
    config: Config, facts: CheckpointFacts, ran: EngineSettings, sizes: EngineSizes, card: str
) -> dict[str, Any]:
    """A good start as plain JSON values. Raises NotShareable.

    What is written is read again: a line that would be another question than the engine's is none.
    """
    version = parse_version(sizes.vllm_version) or parse_version(ran.vllm_version)
    ran = replace(ran, vllm_version=".".join(map(str, version)) if version else None)
    content: dict[str, Any] = {
        "model": {"config": _write_config(config, ran), **_write_facts(facts)},
        "question": {**_write_settings(ran), "gpus": _write_gpus(card, ran, sizes)},
        "measured": {"outcome": STARTED, **_write_sizes(sizes)},
    }
    if sizes.is_cold is not None:
        content["is_first_start"] = sizes.is_cold
    if sizes.is_wsl:
        content["is_wsl"] = True
    _refuse_words(content)
    _compare(content, config, ran)
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return {"id": digest[:12], **content}


def _write_config(config: Config, ran: EngineSettings) -> dict[str, Any]:
    try:
        reduced = reduce_config(config, ran.quantization)
        is_known = parse_architecture(reduced, ran.quantization).is_layout_known
    except (UnknownLayoutError, FieldError) as exc:
        raise NotShareable(exc.wording) from exc
    if not is_known:
        raise NotShareable(
            fill_in("its family of models is not a known one, and may be called after somebody")
        )
    return reduced


def _write_facts(facts: CheckpointFacts) -> dict[str, Any]:
    return {"parameters": facts.parameters, "weights_bytes": facts.weights_bytes}


def _write_settings(ran: EngineSettings) -> dict[str, Any]:
    """What differs from the defaults, under the names that a question has."""
    defaults = EngineSettings()
    values = {each.name: getattr(ran, each.name) for each in fields(EngineSettings)}
    given = {name: value for name, value in values.items() if value != getattr(defaults, name)}
    for name in ("speculation", "adapters", "cpu_offload_bytes"):
        given.pop(name, None)
    given |= write_inputs(ran)
    if draft := given.get("speculative_config"):
        # A name, or a path on somebody's machine.
        draft.pop("model", None)
    for name, write in _WRITTEN_APART.items():
        if name in given:
            given |= write(given.pop(name))
    return given


_WRITTEN_APART: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "is_pooling": lambda value: {"runner": "pooling" if value else "generate"},
    "is_text_only": lambda value: {"language_model_only": value},
    "media_limits": lambda value: {"limit_mm_per_prompt": dict(value)},
    "media_max_pixels": lambda value: {"mm_processor_kwargs": {"max_pixels": value}},
}
"""Settings that a question has in another form."""


def _write_gpus(card: str, ran: EngineSettings, sizes: EngineSizes) -> list[dict[str, Any]]:
    name = " ".join(word for word in card.split() if _CARD_NAME.fullmatch(word))
    total = sizes.card_total_bytes
    if not name or find_card(name) != find_card(card) or (total is None and find_card(name) is None):
        raise NotShareable(fill_in("its card is not a known one"))
    gpu: dict[str, Any] = {"name": name}
    if total is not None:
        gpu["total_mib"] = round(total / MIB, 1)
    return [gpu] * ran.gpu_count


def _write_sizes(sizes: EngineSizes) -> dict[str, float]:
    found = {}
    for name, measured in MEASURED_SIZES.items():
        value = getattr(sizes, measured)
        if value is not None:
            found[name] = round(value / GIB, _DIGITS) if name.endswith("_gib") else value
    return found


def _refuse_words(content: Any) -> None:
    """Raises NotShareable for a word that may be more than one of the engine's."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if name == "gpus":
                continue
            _refuse_words(name)
            _refuse_words(value)
    elif isinstance(content, list | tuple):
        for value in content:
            _refuse_words(value)
    elif isinstance(content, str) and not _PLAIN_WORD.fullmatch(content):
        raise NotShareable(fill_in("{word} may tell more than it should", word=repr(content)))


def _compare(content: Mapping[str, Any], config: Config, ran: EngineSettings) -> None:
    try:
        question = read_run(content).question
        is_same = parse_architecture(question.config, ran.quantization) == parse_architecture(
            config, ran.quantization
        )
    except FieldError as exc:
        raise NotShareable(exc.wording) from exc
    if question.settings != ran or not is_same:
        raise NotShareable(fill_in("it ran with settings that a shared line cannot say"))


def read_run(raw: Any, models: Mapping[str, Any] | None = None) -> SharedRun:
    """Read one line; `models` has those that it only names. Raises FieldError."""
    if not isinstance(raw, Mapping):
        raise FieldError("line", fill_in("must be a JSON object"))
    model = raw.get("model")
    if isinstance(model, str):
        model = (models or {}).get(model)
    if not isinstance(model, Mapping):
        raise FieldError("model", fill_in("must be an object with the model's config"))
    settings, measured = raw.get("question"), raw.get("measured")
    if not isinstance(settings, Mapping):
        raise FieldError("question", fill_in("must be an object"))
    if not isinstance(measured, Mapping):
        raise FieldError("measured", fill_in("must be an object"))
    facts = {name: model.get(name) for name in ("config", "parameters", "weights_bytes")}
    try:
        question = parse_question({**settings, **facts, "id": raw.get("id")})
    except FieldError as exc:
        parent = "model" if exc.field.partition(".")[0] in facts else "question"
        raise FieldError(f"{parent}.{exc.field}", exc.reason) from exc
    outcome = measured.get("outcome")
    if not isinstance(outcome, str) or not outcome:
        raise FieldError("measured.outcome", fill_in("must be a word, not {value}", value=repr(outcome)))
    return SharedRun(
        id=str(raw.get("id") or ""),
        question=question,
        outcome=outcome,
        measured=_read_sizes(measured),
        is_first_start=raw.get("is_first_start") is True,
    )


def _read_sizes(measured: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name in MEASURED_SIZES:
        value = measured.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise FieldError(f"measured.{name}", fill_in("must be a number, not {value}", value=repr(value)))
        found[name] = value
    return found
