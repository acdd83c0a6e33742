"""What the last starts on a kind of card tell of it, for the fit check of any profile."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from modelops.domain.fit.card_starts import CardStart
from modelops.domain.fit.evidence import read_card_start
from modelops.domain.fit.measured_run import differs_in_memory, is_same_card
from modelops.domain.fit.specs import Gpu
from modelops.domain.profiles.engine_args import list_unestimated
from modelops.domain.profiles.spec import EngineKind, ProfileSpec
from modelops.fit.start_reading import MeasuredStart, read_start
from modelops.models import Engine


def add_card_starts(
    spec: ProfileSpec, gpus: Sequence[Gpu], engines: Iterable[Engine], uuids: Collection[str] = ()
) -> tuple[Gpu, ...]:
    """The cards with what starts of any profile told of them. `uuids` are the box's, empty where it is none.

    Left out are simulated engines, those of another box, and on several cards those whose cards talked to
    each other in another way than the profile's will.
    """
    if spec.engine != EngineKind.VLLM:
        return tuple(gpus)
    read = (read_start(engine) for engine in engines if _is_of_box(engine, uuids))
    starts = [start for start in read if start is not None]
    wanted = _has_direct_links(spec)
    usable = [start for start in starts if not _is_parallel(start) or _has_direct_links(start.spec) == wanted]
    found = {gpu: _list_starts(usable, gpu, is_here=bool(uuids)) for gpu in set(gpus)}
    return tuple(replace(gpu, starts=found[gpu]) for gpu in gpus)


def _list_starts(starts: Sequence[MeasuredStart], gpu: Gpu, *, is_here: bool) -> tuple[CardStart, ...]:
    alike = [start for start in starts if is_same_card(start.engine.gpu_name, gpu.name)]
    found = (_read_card_start(start, alike, gpu, is_here=is_here) for start in alike)
    return tuple(start for start in found if start is not None)


def _read_card_start(
    start: MeasuredStart, starts: Sequence[MeasuredStart], gpu: Gpu, *, is_here: bool
) -> CardStart | None:
    """Of an engine with flags that the check does not consider only what was gone before it began to load."""
    is_plain = not list_unestimated(start.spec)
    return read_card_start(
        start.model if is_plain else None,
        start.settings,
        start.sizes if is_plain else replace(start.sizes, non_torch_bytes=None),
        gpu,
        source=start.source,
        is_here=is_here,
        compile_bytes=_find_compile_bytes(start, starts) if is_plain else None,
    )


def _is_of_box(engine: Engine, uuids: Collection[str]) -> bool:
    return not uuids or not set(engine.gpus).isdisjoint(uuids)


def _is_parallel(start: MeasuredStart) -> bool:
    return start.settings.gpu_count > 1


def _has_direct_links(spec: ProfileSpec) -> bool:
    """Whether vLLM's own all-reduce and NCCL may reach from card to card, as far as the profile says."""
    is_off = spec.extra_flags.get("disable-custom-all-reduce") or spec.environment.get("NCCL_P2P_DISABLE")
    return is_off in (None, False, "", "0")


def _find_compile_bytes(start: MeasuredStart, starts: Sequence[MeasuredStart]) -> int | None:
    """How much larger the cache was that a start of the same engine had which found its graphs compiled."""
    cold = start.sizes.available_kv_bytes
    if not start.sizes.is_cold or cold is None:
        return None
    for other in starts:
        warm = other.sizes.available_kv_bytes
        if other.sizes.is_cold is False and warm is not None and _is_same_engine(start, other):
            return warm - cold
    return None


def _is_same_engine(first: MeasuredStart, second: MeasuredStart) -> bool:
    return (
        first.engine.profile == second.engine.profile
        and first.engine.gpu_name == second.engine.gpu_name
        and first.settings == second.settings
        and first.sizes.vllm_version == second.sizes.vllm_version
        and not differs_in_memory(first.engine.spec, second.engine.spec)
    )
