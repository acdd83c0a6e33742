"""What holds the memory of a card, by the engine's accounting and the driver's."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.desk.gpu_cards import MemoryParts, describe_card, split_memory
from modelops.domain.fit.specs import GIB, MIB
from modelops.hardware import GpuProcess
from modelops.models import Engine
from modelops.tests.fit_rows import CARD_MIB, make_gpu_reading
from modelops.tests.serving.slot_rows import flip, make_engine, make_slot

pytestmark = pytest.mark.django_db
UUID = "GPU-00000000-0000-0000-0000-000000000000"
TOTAL = CARD_MIB * MIB


def measured(**changes: Any) -> Engine:
    """An engine that measured 5 GiB of weights and 10 GiB of KV cache on card 0."""
    slot = make_slot()
    actual = {"weights_bytes": 5 * GIB, "available_kv_bytes": 10 * GIB}
    engine = make_engine(slot, "pretend", gpus=[UUID], actual=actual, **changes)
    flip(slot, engine)
    engine.refresh_from_db()
    return engine


def process(gib: float | None, *, is_ours: bool) -> GpuProcess:
    return GpuProcess(7, None if gib is None else int(gib * GIB), "python", is_ours=is_ours)


def test_memory_is_split_into_weights_cache_rest_and_others() -> None:
    gpu = make_gpu_reading(
        0, used_mib=19 * 1024, processes=(process(17, is_ours=True), process(2, is_ours=False))
    )

    parts = split_memory(gpu, measured())

    assert parts == MemoryParts(
        total=TOTAL,
        weights=5 * GIB,
        kv_cache=10 * GIB,
        engine_rest=2 * GIB,
        others=2 * GIB,
        free=TOTAL - 19 * GIB,
    )


def test_an_engine_that_still_loads_holds_no_more_than_its_processes_do() -> None:
    gpu = make_gpu_reading(0, used_mib=3 * 1024, processes=(process(3, is_ours=True),))

    parts = split_memory(gpu, measured())

    assert parts is not None
    assert (parts.weights, parts.kv_cache, parts.engine_rest) == (3 * GIB, 0, 0)


def test_where_the_driver_tells_no_sizes_what_is_used_is_the_engines() -> None:
    gpu = make_gpu_reading(0, used_mib=16 * 1024, processes=(process(None, is_ours=True),))

    parts = split_memory(gpu, measured())

    assert parts is not None
    assert (parts.engine_rest, parts.others) == (GIB, 0)


def test_without_an_engine_all_that_is_used_is_others() -> None:
    parts = split_memory(make_gpu_reading(0, used_mib=1024), None)

    assert parts is not None
    assert (parts.weights, parts.others, parts.free) == (0, GIB, TOTAL - GIB)


def test_a_card_names_the_profile_whose_engine_was_given_it() -> None:
    engine = measured()

    cards = [describe_card(make_gpu_reading(index), [engine]) for index in (0, 1)]

    assert [card["profile"] for card in cards] == ["pretend", None]


def test_the_only_engine_has_the_cards_that_our_processes_are_on() -> None:
    slot = make_slot()
    engine = make_engine(slot, "pretend", gpus=[])
    flip(slot, engine)
    engine.refresh_from_db()
    gpus = make_gpu_reading(0, processes=(process(1, is_ours=True),)), make_gpu_reading(1)

    assert [describe_card(gpu, [engine])["profile"] for gpu in gpus] == ["pretend", None]
