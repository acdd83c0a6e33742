"""What an engine said last is what tells why it failed: it is kept although the engine is removed."""

from __future__ import annotations

from modelops.tests.switcher.bench import SwitchBench

LAST_WORDS = "RuntimeError: CUDA error: an illegal memory access was encountered"


def test_the_words_of_an_engine_that_dies_of_its_first_question_are_kept(bench: SwitchBench) -> None:
    bench.save_profile("dying", faults=("engine_dead",))
    bench.start_switcher()

    switch = bench.switch_and_settle("dying")
    with bench.web_process() as gateway:
        [engine] = bench.look()["engines"]
        kept = gateway.manage("engine_logs", "--engine", engine["name"])

    assert switch["state"] == "degraded"
    assert LAST_WORDS in switch["log_tail"]
    assert LAST_WORDS in kept
