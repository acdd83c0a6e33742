"""Items are found wherever the pieces of a file end."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conversations.portability import json_spans
from conversations.portability.json_spans import find_line, find_spans
from gateway.errors import InvalidRequest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\[]{},\n한', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\{', max_size=3), inner, max_size=3)
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=3), VALUES, max_size=4)


def decode_spans(content: bytes, *, level: int, chunk_bytes: int) -> list[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_spans, "CHUNK_BYTES", chunk_bytes)
        spans = find_spans(io.BytesIO(content), level=level)
    return [json.loads(content[span.start : span.end]) for span in spans]


@given(items=st.lists(OBJECTS, max_size=4), chunk_bytes=st.integers(1, 40), indent=st.sampled_from([None, 1]))
@settings(deadline=None)
def test_items_of_a_list_are_found(items: list[Any], chunk_bytes: int, indent: int | None) -> None:
    content = json.dumps(items, indent=indent, ensure_ascii=chunk_bytes % 2 == 0).encode()

    assert decode_spans(content, level=1, chunk_bytes=chunk_bytes) == items


@given(items=st.lists(OBJECTS, max_size=4), chunk_bytes=st.integers(1, 40))
@settings(deadline=None)
def test_lines_are_found(items: list[Any], chunk_bytes: int) -> None:
    content = "\n".join(map(json.dumps, items)).encode()

    assert decode_spans(content, level=0, chunk_bytes=chunk_bytes) == items


@given(items=st.lists(OBJECTS, max_size=3), others=VALUES, chunk_bytes=st.integers(1, 40))
@settings(deadline=None)
def test_items_in_the_lists_of_an_object_are_found(items: list[Any], others: Any, chunk_bytes: int) -> None:
    kept = [] if isinstance(others, list | dict) else others
    content = json.dumps({"a": kept, "b": items, "c": "[{", "d": items}).encode()

    assert decode_spans(content, level=2, chunk_bytes=chunk_bytes) == [*items, *items]


@given(items=st.lists(OBJECTS, min_size=1, max_size=3), data=st.data())
@settings(deadline=None)
def test_file_that_was_cut_is_refused(items: list[Any], data: st.DataObject) -> None:
    content = json.dumps(items).encode()
    cut = content[: data.draw(st.integers(1, len(content) - 1))]

    with pytest.raises(InvalidRequest, match="ends in the middle"):
        find_spans(io.BytesIO(cut), level=1)


@pytest.mark.parametrize(("place", "found"), [(0, (1, 1)), (2, (1, 3)), (3, (2, 1)), (9, (4, 2))])
def test_places_are_told_as_line_and_byte(place: int, found: tuple[int, int]) -> None:
    assert find_line(io.BytesIO(b"ab\ncde\n\nfg"), place) == found


def test_number_of_items_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_spans, "MOST_ITEMS", 3)

    with pytest.raises(InvalidRequest, match="more than 3 items"):
        find_spans(io.BytesIO(b"[{},{},{},{}]"), level=1)
