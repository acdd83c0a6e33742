"""A measured start with the settings that it ran with, read back from its row."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from uuid import UUID

from gateway.wording import fill_in
from modelops.domain.engine_log.sizes import EngineSizes, parse_sizes
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.specs import EngineSettings, ModelArchitecture
from modelops.domain.profiles.engine_args import to_engine_settings
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.models import Engine
from modelops.models.profile_reading import read_own_profile

REMEMBERED_STARTS = 256


@dataclass(frozen=True)
class MeasuredStart:
    """`settings` have the tensor parallel size and the context that its log told. `model` is None where the
    shape is not known."""

    engine: Engine
    spec: ProfileSpec
    settings: EngineSettings
    model: ModelArchitecture | None
    sizes: EngineSizes

    @property
    def source(self) -> str:
        return describe_start(self.engine)


@dataclass(frozen=True)
class _Row:
    """An engine's row, which says the same for good once its sizes are there."""

    pk: UUID
    engine: Engine = field(compare=False)


def describe_start(engine: Engine) -> str:
    """Which start it was, in words."""
    return fill_in("{engine} on {day}", engine=engine.name, day=f"{engine.created_at:%Y-%m-%d}")


def read_start(engine: Engine) -> MeasuredStart | None:
    """None for a simulated engine, one that told no sizes, and for settings that are none any more."""
    return _read_start(_Row(engine.pk, engine))


@lru_cache(maxsize=REMEMBERED_STARTS)
def _read_start(row: _Row) -> MeasuredStart | None:
    engine = row.engine
    if engine.spec.get("engine") != EngineKind.VLLM:
        return None
    spec = read_own_profile(engine.spec).spec
    if spec is None:
        return None
    sizes = parse_sizes(engine.actual or {})
    size = sizes.tensor_parallel_size or spec.tensor_parallel_size
    if size is None:
        return None
    settings = to_engine_settings(spec, tensor_parallel_size=size)
    if sizes.max_model_len is not None:
        settings = replace(settings, max_model_len=sizes.max_model_len, is_max_model_len_auto=False)
    return MeasuredStart(engine, spec, settings, _read_model(spec), sizes)


def _read_model(spec: ProfileSpec) -> ModelArchitecture | None:
    try:
        return parse_architecture(spec.effective_config, spec.quantization or None) if spec.config else None
    except (UnknownLayoutError, FieldError):
        return None
