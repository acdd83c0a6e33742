"""The log of a switch's engine: its end, what is looked for, and all of it."""

from __future__ import annotations

import pytest

from modelops.domain.switching.states import SwitchState
from modelops.models import Switch
from modelops.switching.engine_log_search import (
    MOST_MATCHES,
    SHOWN_LINES,
    LogExcerpt,
    iterate_log,
    read_excerpt,
    search_lines,
)
from modelops.tests.switch_rows import advance, ask, make_ready, serve, write_log

pytestmark = pytest.mark.django_db


def start_with_log(*lines: str) -> Switch:
    make_ready("first")
    engine = serve("first")
    write_log(engine, *lines)
    return advance(ask("first", max_model_len=1024), SwitchState.LOADING, new_engine=engine)


def write_out(excerpt: LogExcerpt) -> list[list[str]]:
    return [["".join(text for text, _found in line.parts) for line in group] for group in excerpt.groups]


def test_end_of_the_log_is_shown_while_nothing_is_looked_for() -> None:
    switch = start_with_log(*(f"line {number}" for number in range(SHOWN_LINES + 50)))

    (shown,) = write_out(read_excerpt(switch))

    assert len(shown) == SHOWN_LINES
    assert shown[-1] == f"line {SHOWN_LINES + 49}"


def test_matches_come_with_the_lines_around_them_and_near_ones_together() -> None:
    lines = [f"line {number}" for number in range(30)]
    lines[3], lines[6], lines[20] = "an ERROR", "error again", "the last Error"

    excerpt = search_lines(lines, "error")

    assert excerpt.matches == 3
    assert write_out(excerpt) == [lines[1:9], lines[18:23]]
    marked = [line for group in excerpt.groups for line in group if line.is_match]
    assert marked[0].parts == (("an ", False), ("ERROR", True))


def test_text_is_looked_for_as_it_is_and_not_as_a_pattern() -> None:
    excerpt = search_lines(["a.c", "abc", "(x"], "a.c")

    assert excerpt.matches == 1
    assert search_lines(["(x"], "(").matches == 1


def test_last_matches_are_shown_where_there_are_too_many() -> None:
    excerpt = search_lines([f"error {number}" for number in range(MOST_MATCHES + 5)], "error")

    assert (excerpt.matches, excerpt.is_cut) == (MOST_MATCHES, True)
    assert write_out(excerpt)[-1][-1] == f"error {MOST_MATCHES + 4}"


def test_what_was_kept_with_the_switch_stands_in_for_a_log_that_is_gone() -> None:
    make_ready("first")
    switch = advance(ask("first"), SwitchState.REJECTED, log_tail="one\nlast words")

    assert write_out(read_excerpt(switch)) == [["one", "last words"]]
    assert write_out(read_excerpt(switch, "LAST")) == [["one", "last words"]]
    assert "".join(iterate_log(switch)) == "one\nlast words"


def test_all_that_is_kept_can_be_read_in_pieces() -> None:
    switch = start_with_log("one", "two")
    assert switch.new_engine is not None
    write_log(switch.new_engine, "three")

    assert list(iterate_log(switch)) == ["one\ntwo\n", "three\n"]
