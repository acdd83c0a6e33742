import pytest

from modelops.domain.fit.assessment import assess_fit
from modelops.domain.fit.card_memory import CardMemory, MemoryKind, split_memory
from modelops.domain.fit.report import FitReport, LimitingTerm, Verdict
from modelops.domain.fit.specs import GIB, CheckpointFacts, EngineSettings, Gpu
from modelops.tests.domain.fit_examples import make_gpu, make_model


def split(settings: EngineSettings, *gpus: Gpu, layers: int = 32) -> tuple[CardMemory, ...]:
    report = assess_fit(make_model(num_hidden_layers=layers), settings, gpus, CheckpointFacts())
    return split_memory(report, gpus)


def sizes(card: CardMemory) -> dict[MemoryKind, int]:
    return {part.kind: part.size_bytes for part in card.parts}


@pytest.mark.parametrize("ranks", [1, 2])
def test_parts_of_a_card_add_up_to_what_it_has(ranks: int) -> None:
    settings = EngineSettings(tensor_parallel_size=ranks, max_model_len=4096)

    cards = split(settings, make_gpu(), make_gpu(), make_gpu())

    assert len(cards) == ranks
    for card in cards:
        assert [part.kind for part in card.parts] == list(MemoryKind)
        assert sum(sizes(card).values()) == card.total_bytes
        assert card.missing_bytes == 0
        assert sizes(card)[MemoryKind.KV_CACHE] > 0


def test_memory_of_other_processes_is_a_part_of_its_own() -> None:
    idle, shared = make_gpu(), make_gpu(free_gib=23.1)

    cards = split(EngineSettings(tensor_parallel_size=2, max_model_len=4096), idle, shared)

    assert sizes(cards[0])[MemoryKind.OTHERS] == 0
    assert sizes(cards[1])[MemoryKind.OTHERS] == pytest.approx(0.5 * GIB, abs=2)


def test_card_that_is_too_small_is_told_how_much_is_missing() -> None:
    (card,) = split(EngineSettings(max_model_len=4096), make_gpu(), layers=64)

    assert card.missing_bytes == card.needed_bytes - card.total_bytes > 0
    assert sizes(card)[MemoryKind.FREE] == 0
    assert sizes(card)[MemoryKind.KV_CACHE] == 0


@pytest.mark.parametrize("gpus", [None, (make_gpu(),)])
def test_report_that_says_nothing_of_memory_has_no_parts(gpus: tuple[Gpu, ...] | None) -> None:
    assert split_memory(FitReport(Verdict.UNKNOWN, LimitingTerm.LAYOUT), gpus) == ()
