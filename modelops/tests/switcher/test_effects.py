"""Slow work beside the loop, and its end."""

from __future__ import annotations

import threading

from modelops.switcher.effects import THREADS, Effects

BOUND_S = 10.0


def test_work_that_waits_for_a_thread_does_not_keep_a_switcher_from_ending() -> None:
    effects, may_end = Effects(), threading.Event()
    for number in range(THREADS + 1):
        effects.attempt(number, lambda: may_end.wait(BOUND_S))

    is_over_before = effects.finish(0.0)
    may_end.set()

    assert not is_over_before
    assert effects.finish(BOUND_S)
