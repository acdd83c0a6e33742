"""What an engine's log tells while it starts."""

from __future__ import annotations

import pytest

from modelops.domain.engine_log.lines import read_line
from modelops.domain.engine_log.sizes import EngineSizes
from modelops.domain.engine_log.startup_log import (
    KEPT_LINES,
    ORDER,
    Phase,
    StartupLog,
    parse_sizes,
    serialise_sizes,
)
from modelops.domain.fit.specs import GIB
from modelops.tests.domain.log_examples import FIRST_ENGINE, TWO_CARDS, read_log


def phases_of(text: str) -> list[Phase]:
    """The phases in the order the log went through them."""
    log = StartupLog(0.0)
    seen = [log.phase]
    for number, line in enumerate(text.splitlines()):
        log.feed(line, float(number))
        if log.phase is not seen[-1]:
            seen.append(log.phase)
    return seen


def test_log_of_two_cards_goes_through_every_phase_in_order() -> None:
    assert phases_of(TWO_CARDS) == list(Phase)


def test_log_of_the_first_engine_skips_what_it_did_not_have() -> None:
    skipped = {Phase.DISTRIBUTED, Phase.COMPILE}

    assert phases_of(FIRST_ENGINE) == [phase for phase in Phase if phase not in skipped]


def test_sizes_of_two_cards_are_those_of_the_fuller_one() -> None:
    sizes = read_log(TWO_CARDS).sizes

    assert sizes.weights_bytes == round(6.73 * GIB)
    assert sizes.available_kv_bytes == round(12.38 * GIB)
    assert sizes.kv_cache_tokens == 202_830
    assert sizes.max_concurrency == 4.95
    assert sizes.graph_estimate_bytes == round(0.55 * GIB)
    assert sizes.graph_bytes == round(0.60 * GIB)
    assert sizes.tensor_parallel_size == 2
    assert sizes.max_model_len == 40_960
    assert sizes.vllm_version == "0.32.0"
    assert sizes.load_seconds == 81.2


def test_summary_is_split_into_activation_and_what_is_outside_pytorch() -> None:
    sizes = read_log(TWO_CARDS).sizes

    assert sizes.activation_bytes == pytest.approx((2.02 - 0.55) * GIB, abs=2)
    assert sizes.non_torch_bytes == pytest.approx((7.28 - 6.73) * GIB, abs=2)


def test_older_summary_names_each_term() -> None:
    line = (
        "INFO 10-05 08:00:00 [gpu_worker.py:391] Free memory on device (23.3/23.69 GiB) on startup. "
        "Desired GPU memory utilization is (0.9, 21.32 GiB). Actual usage is 6.03 GiB for weight, 1.40 GiB "
        "for peak activation, 0.05 GiB for non-torch memory, and 0.5 GiB for CUDAGraph memory."
    )

    sizes = read_log(line).sizes

    assert sizes.weights_bytes == round(6.03 * GIB)
    assert sizes.activation_bytes == round(1.40 * GIB)
    assert sizes.non_torch_bytes == round(0.05 * GIB)


def test_log_tells_what_the_engine_found_of_the_card_and_of_earlier_compilations() -> None:
    source = "(Worker pid=9) INFO 11-22 10:00:00 [backends.py:311]"
    found = f"{source} Directly load the compiled graph(s) for compile range (1, 2048) from the cache"
    compiled = f"{source} Compiling a graph for compile range (1, 2048) takes 12.30 s"
    wsl = "WARNING 11-22 10:00:00 [interface.py:1192] Using 'pin_memory=False' as WSL is detected."

    sizes = read_log(TWO_CARDS).sizes

    assert (sizes.start_free_bytes, sizes.card_total_bytes) == (round(23.1 * GIB), round(23.57 * GIB))
    assert read_log(FIRST_ENGINE).sizes.card_total_bytes == round(23.55 * GIB)
    assert (sizes.is_cold, sizes.is_wsl) == (None, None)
    assert read_log(found).sizes.is_cold is False
    assert read_log(f"{found}\n{compiled}\n{found}\n{wsl}").sizes == EngineSizes(is_cold=True, is_wsl=True)


def test_first_engine_tells_its_cache_in_blocks() -> None:
    sizes = read_log(FIRST_ENGINE).sizes

    assert sizes.kv_cache_tokens == 6113 * 16
    assert sizes.weights_bytes == pytest.approx(7.97 * GIB, abs=0.01 * GIB)
    assert sizes.activation_bytes == round(1.20 * GIB)
    assert sizes.non_torch_bytes == round(0.08 * GIB)
    assert sizes.available_kv_bytes == round(11.94 * GIB)
    assert sizes.vllm_version == "0.6.6"


def test_cpu_build_is_read_too() -> None:
    text = (
        "(Worker pid=9) INFO 11-22 15:29:41 [cpu_worker.py:260] Explicitly set (1.0/11.09) GiB for KV cache "
        "on node 0.\n(EngineCore pid=8) INFO 11-22 15:29:41 [kv_cache_utils.py:2327] CPU KV cache size: "
        "2,097,152 tokens, Maximum concurrency for 1,024 tokens per request: 2048.00x"
    )

    log = read_log(text)

    assert log.phase is Phase.KV_CACHE
    assert (log.sizes.available_kv_bytes, log.sizes.kv_cache_tokens) == (GIB, 2_097_152)


def test_sizes_survive_storage() -> None:
    sizes = read_log(TWO_CARDS).sizes

    assert parse_sizes(serialise_sizes(sizes)) == sizes
    assert parse_sizes({**serialise_sizes(sizes), "added_later": 1}) == sizes


def test_shards_and_captured_graphs_are_percentages() -> None:
    upto_weights = TWO_CARDS[: TWO_CARDS.index("Loading safetensors checkpoint shards: 100%")]
    upto_graphs = TWO_CARDS[
        : TWO_CARDS.index("Capturing CUDA graphs (mixed prefill-decode, PIECEWISE): 100%")
    ]

    assert read_log(upto_weights).phase_percent == pytest.approx(100 / 3)
    assert read_log(upto_graphs).phase_percent == pytest.approx(100 * 17 / 51)


def test_second_round_of_captures_does_not_lower_the_percentage_but_is_a_sign_of_life() -> None:
    log = read_log(TWO_CARDS[: TWO_CARDS.index("(Worker_TP0 pid=71) INFO 11-22 10:08:43")])

    log.feed("Capturing CUDA graphs (decode, FULL):   5%|▌         | 2/35 [00:01<00:20, 1.60it/s]", 500.0)

    assert log.phase_percent == 100.0
    assert log.changed_at == 500.0


def test_trial_captures_while_profiling_are_not_the_phase_of_the_graphs() -> None:
    log = read_log(TWO_CARDS[: TWO_CARDS.index("(Worker_TP0 pid=71) INFO 11-22 10:07:12")])

    assert log.phase is Phase.PROFILE


def test_eager_engine_goes_from_weights_to_profiling() -> None:
    text = TWO_CARDS.replace("enforce_eager=False", "enforce_eager=True")

    log = read_log(text[: text.index("(Worker_TP0 pid=71) INFO 11-22 10:02:10")])

    assert log.phase is Phase.PROFILE


def test_line_that_only_repeats_is_no_sign_of_life() -> None:
    log = StartupLog(0.0)
    line = (
        "(EngineCore pid=8) INFO 11-22 10:{:02d}:00 [shm_broadcast.py:501] No available shared memory "
        "broadcast block found in {} seconds. This typically happens when some processes are hanging."
    )

    for minute in range(1, 10):
        log.feed(line.format(minute, 60 * minute), 60.0 * minute)

    assert log.changed_at == 60.0


def test_silence_is_no_sign_of_life_and_a_bar_that_moves_is_one() -> None:
    log = StartupLog(0.0)
    bar = "model-00001-of-00002.safetensors: {:3d}%|█         | {}M/4.98G [00:10<01:10, 62.5MB/s]"

    log.feed(bar.format(10, 498), 10.0)
    log.feed(bar.format(10, 500), 20.0)
    stuck_at = log.changed_at
    log.feed(bar.format(11, 548), 30.0)

    assert stuck_at == 10.0
    assert log.changed_at == 30.0


def test_seconds_of_phases_add_up_to_the_whole_start() -> None:
    log = read_log(TWO_CARDS, started_at=100.0, step_s=2.0)

    seconds = log.phase_seconds(now=10_000.0)

    assert log.is_complete
    assert list(seconds) == [str(phase) for phase in Phase]
    assert sum(seconds.values()) == pytest.approx(2.0 * len(TWO_CARDS.splitlines()))


def test_present_phase_counts_up_to_now() -> None:
    log = StartupLog(10.0)

    log.feed("INFO 11-22 10:00:00 [gpu_model_runner.py:5040] Starting to load model org/m...", 15.0)

    assert log.phase_seconds(now=45.0) == {"boot": 5.0, "download": 30.0}


def test_requests_after_the_start_change_nothing_but_the_tail() -> None:
    log = read_log(TWO_CARDS)
    sizes = log.sizes

    log.feed(
        "INFO 11-22 11:00:00 [logger.py:43] Received request: 'Model loading took 99 GiB memory'", 9000.0
    )

    assert log.sizes is sizes
    assert log.changed_at < 9000.0
    assert log.tail(1)[0].endswith("99 GiB memory'")


def test_words_of_an_error_are_no_sign_of_a_phase() -> None:
    log = StartupLog(0.0)

    log.feed(
        "(EngineCore pid=8) ERROR 11-22 10:00:00 [core.py:9] Graph capturing finished? init engine (x) took",
        1,
    )
    log.feed("RuntimeError: Starting to load model, Available KV cache memory: 3.0 GiB", 2)

    assert log.phase is Phase.BOOT
    assert log.sizes.available_kv_bytes is None


def test_memory_is_bounded_and_the_first_errors_are_kept() -> None:
    log = StartupLog(0.0)
    log.feed("ValueError: the first of them", 0.0)

    for number in range(5 * KEPT_LINES):
        log.feed(f"RuntimeError: number {number} {'x' * 100_000}", float(number))

    kept = log.failure_lines()
    assert kept[0] == "ValueError: the first of them"
    assert len(kept) <= 2 * KEPT_LINES
    assert max(map(len, kept)) < 5000
    assert log.tail(2)[1].startswith(f"RuntimeError: number {5 * KEPT_LINES - 1} ")


@pytest.mark.parametrize(
    ("line", "level", "text"),
    [
        ("(EngineCore_0 pid=12) INFO 11-22 10:00:00 [core.py:133] words", "INFO", "words"),
        ("(Worker_TP1_EP1 pid=12) ERROR 09-29 09:51:29 [v1/worker/w.py:1]   indented", "ERROR", "  indented"),
        ("(VllmWorker rank=0 pid=3008574) INFO 05-29 23:37:00 [loader.py:458] words", "INFO", "words"),
        ("INFO 01-14 12:36:51 model_runner.py:1099] words", "INFO", "words"),
        ("\x1b[32m(APIServer pid=1)\x1b[0m WARNING 11-22 10:00:00 [a.py:1] words", "WARNING", "words"),
        ("(EngineCore pid=5) Traceback (most recent call last):", "", "Traceback (most recent call last):"),
        ("INFO:     Application startup complete.", "INFO", "Application startup complete."),
        ("ValueError: (a) b", "", "ValueError: (a) b"),
        ("(simply) in brackets", "", "(simply) in brackets"),
    ],
)
def test_prefixes_of_every_format_are_taken_off(line: str, level: str, text: str) -> None:
    read = read_line(line)

    assert (read.level, read.text) == (level, text)


def test_order_of_phases_is_their_order_in_the_list() -> None:
    assert [phase for phase, _ in sorted(ORDER.items(), key=lambda item: item[1])] == list(Phase)
