from __future__ import annotations

import pytest

from modelops.runtimes.lines import MAXIMUM_LINE_CHARACTERS, LineSplitter


@pytest.mark.parametrize(
    ("pieces", "lines", "rest"),
    [
        ([b"one\ntwo\n"], ["one", "two"], []),
        ([b"on", b"e\ntw", b"o"], ["one"], ["two"]),
        ([b"one\r\n", b"two\r", b"\nthree\n"], ["one", "two", "three"], []),
        ([b"\r 0%\r 50%\r 100%\n"], [" 0%", " 50%", " 100%"], []),
        ([b"one\n\ntwo\n"], ["one", "", "two"], []),
        ([b"two\r", b"", b"\nthree\n"], ["two", "three"], []),
        (["é".encode()[:1], "é\n".encode()[1:]], ["é"], []),
        ([b"\xff\n"], ["\ufffd"], []),
        ([b"\xc3"], [], ["\ufffd"]),
        (["a\u2028b\x0bc\n".encode()], ["a\u2028b\x0bc"], []),
        ([], [], []),
    ],
)
def test_pieces_become_whole_lines(pieces: list[bytes], lines: list[str], rest: list[str]) -> None:
    splitter = LineSplitter()

    assert [line for piece in pieces for line in splitter.feed(piece)] == lines
    assert splitter.finish() == rest
    assert splitter.finish() == []


def test_a_line_without_end_does_not_grow_for_ever() -> None:
    splitter = LineSplitter()

    lines = splitter.feed(b"x" * (2 * MAXIMUM_LINE_CHARACTERS + 1))

    assert [len(line) for line in lines] == [MAXIMUM_LINE_CHARACTERS] * 2
    assert splitter.finish() == ["x"]


def test_zeros_which_no_database_takes_for_text_are_replaced() -> None:
    splitter = LineSplitter()

    assert splitter.feed(b"a\0b\n\0") == ["a\ufffdb"]
    assert splitter.finish() == ["\ufffd"]
