"""What the last starts on a kind of card tell of it, for the fit check of any profile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from uuid import UUID

from modelops.domain.engine_log.sizes import EngineSizes, parse_sizes
from modelops.domain.errors import FieldError, UnknownLayoutError
from modelops.domain.fit.architecture import parse_architecture
from modelops.domain.fit.card_starts import CardStart
from modelops.domain.fit.evidence import read_card_start
from modelops.domain.fit.measured_run import differs_in_memory, is_same_card
from modelops.domain.fit.specs import EngineSettings, Gpu, ModelArchitecture
from modelops.domain.profiles.engine_args import to_engine_settings
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.models import Engine
from modelops.models.profile_reading import read_own_profile

REMEMBERED_STARTS = 256


@dataclass(frozen=True)
class _Start:
    """An engine with the settings that it ran with, as far as today's profiles know them."""

    engine: Engine
    spec: ProfileSpec
    settings: EngineSettings
    model: ModelArchitecture | None
    sizes: EngineSizes

    @property
    def source(self) -> str:
        return f"{self.engine.name} on {self.engine.created_at:%Y-%m-%d}"


@dataclass(frozen=True)
class _Row:
    """An engine's row, which says the same for good once its sizes are there."""

    pk: UUID
    engine: Engine = field(compare=False)


def add_card_starts(
    spec: ProfileSpec, gpus: Sequence[Gpu], engines: Iterable[Engine], uuids: Collection[str] = ()
) -> tuple[Gpu, ...]:
    """The cards with what starts of any profile told of them. `uuids` are the box's, empty where it is none.

    Left out are simulated engines, those of another box, and on several cards those whose cards talked to
    each other in another way than the profile's will.
    """
    if spec.engine != EngineKind.VLLM:
        return tuple(gpus)
    read = (_read_start(_Row(engine.pk, engine)) for engine in engines if _is_of_box(engine, uuids))
    starts = [start for start in read if start is not None]
    wanted = _has_direct_links(spec)
    usable = [start for start in starts if not _is_parallel(start) or _has_direct_links(start.spec) == wanted]
    found = {gpu: _list_starts(usable, gpu, is_here=bool(uuids)) for gpu in set(gpus)}
    return tuple(replace(gpu, starts=found[gpu]) for gpu in gpus)


def _list_starts(starts: Sequence[_Start], gpu: Gpu, *, is_here: bool) -> tuple[CardStart, ...]:
    found = (
        read_card_start(
            start.model,
            start.settings,
            start.sizes,
            gpu,
            source=start.source,
            is_here=is_here,
            compile_bytes=_find_compile_bytes(start, starts),
        )
        for start in starts
        if is_same_card(start.engine.gpu_name, gpu.name)
    )
    return tuple(start for start in found if start is not None)


@lru_cache(maxsize=REMEMBERED_STARTS)
def _read_start(row: _Row) -> _Start | None:
    """None for a simulated engine, and for settings that are none any more."""
    engine = row.engine
    if engine.spec.get("engine") != EngineKind.VLLM:
        return None
    spec = read_own_profile(engine.spec).spec
    sizes = parse_sizes(engine.actual or {})
    if spec is None:
        return None
    size = sizes.tensor_parallel_size or spec.tensor_parallel_size
    if size is None:
        return None
    settings = to_engine_settings(spec, tensor_parallel_size=size)
    if sizes.max_model_len is not None:
        settings = replace(settings, max_model_len=sizes.max_model_len, is_max_model_len_auto=False)
    return _Start(engine, spec, settings, _read_model(spec), sizes)


def _read_model(spec: ProfileSpec) -> ModelArchitecture | None:
    try:
        return parse_architecture(spec.effective_config, spec.quantization or None) if spec.config else None
    except (UnknownLayoutError, FieldError):
        return None


def _is_of_box(engine: Engine, uuids: Collection[str]) -> bool:
    return not uuids or not engine.gpus or not set(engine.gpus).isdisjoint(uuids)


def _is_parallel(start: _Start) -> bool:
    return start.settings.gpu_count > 1


def _has_direct_links(spec: ProfileSpec) -> bool:
    """Whether vLLM's own all-reduce and NCCL may reach from card to card, as far as the profile says."""
    is_off = spec.extra_flags.get("disable-custom-all-reduce") or spec.environment.get("NCCL_P2P_DISABLE")
    return is_off in (None, False, "", "0")


def _find_compile_bytes(start: _Start, starts: Sequence[_Start]) -> int | None:
    """How much larger the cache was that a start of the same engine had which found its graphs compiled."""
    cold = start.sizes.available_kv_bytes
    if not start.sizes.is_cold or cold is None:
        return None
    for other in starts:
        warm = other.sizes.available_kv_bytes
        if other.sizes.is_cold is False and warm is not None and _is_same_engine(start, other):
            return warm - cold
    return None


def _is_same_engine(first: _Start, second: _Start) -> bool:
    return (
        first.engine.profile == second.engine.profile
        and first.engine.gpu_name == second.engine.gpu_name
        and first.settings == second.settings
        and first.sizes.vllm_version == second.sizes.vllm_version
        and not differs_in_memory(first.engine.spec, second.engine.spec)
    )
