"""Bars of a card's memory, drawn as rectangles in the coordinates of an SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from modelops.domain.fit.card_memory import CardMemory, MemoryKind
from modelops.domain.fit.report_text import format_bytes

BAR_WIDTH = 100
LABELS: Mapping[MemoryKind, Promise] = {
    MemoryKind.OTHERS: gettext_lazy("Other processes"),
    MemoryKind.WEIGHTS: gettext_lazy("Weights"),
    MemoryKind.WORKING: gettext_lazy("Activation and graphs"),
    MemoryKind.KV_CACHE: gettext_lazy("KV cache"),
    MemoryKind.FREE: gettext_lazy("Free"),
}
PART_CLASSES = {
    MemoryKind.OTHERS: "part-4",
    MemoryKind.WEIGHTS: "part-1",
    MemoryKind.WORKING: "part-2",
    MemoryKind.KV_CACHE: "part-3",
    MemoryKind.FREE: "part-free",
}
"""Of desk.css."""


@dataclass(frozen=True)
class BarPart:
    """One part of a bar, with its place in the drawing. `css` is its class, in the bar and in the legend."""

    label: Promise
    size: str
    css: str
    x: str
    width: str


@dataclass(frozen=True)
class BarBand:
    """Between which edges the KV cache will lie, and how far one request of the whole context reaches."""

    low: str
    high: str
    request: str
    low_x: str
    high_x: str
    width: str
    request_x: str


@dataclass(frozen=True)
class MemoryBar:
    """One card. `edge` is where the card ends, for an engine that needs more than it has; else empty."""

    name: str
    number: int
    total: str
    missing: str
    edge: str
    parts: tuple[BarPart, ...]
    band: BarBand | None = None


def draw_bar(card: CardMemory, number: int) -> MemoryBar:
    """The whole width is what the card has, or what is needed where that is more."""
    whole = max(card.total_bytes, card.needed_bytes, _find_cache_end(card), 1)
    return MemoryBar(
        card.name,
        number,
        format_bytes(card.total_bytes),
        format_bytes(card.missing_bytes) if card.missing_bytes else "",
        _place(card.total_bytes, whole) if whole > card.total_bytes else "",
        tuple(_draw_parts(card, whole)),
        _draw_band(card, whole),
    )


def _find_cache_end(card: CardMemory) -> int:
    """How far the KV cache and what is asked of it reach at most."""
    high = card.band.high_bytes if card.band else 0
    return card.cache_begin + max(high, card.request_bytes or 0)


def _draw_band(card: CardMemory, whole: int) -> BarBand | None:
    if card.band is None or not card.request_bytes:
        return None
    begin, low, high = card.cache_begin, card.band.low_bytes, card.band.high_bytes
    return BarBand(
        format_bytes(low),
        format_bytes(high),
        format_bytes(card.request_bytes),
        _place(begin + low, whole),
        _place(begin + high, whole),
        _place(high - low, whole),
        _place(begin + card.request_bytes, whole),
    )


def _draw_parts(card: CardMemory, whole: int) -> Iterator[BarPart]:
    begin = 0
    for part in card.parts:
        yield BarPart(
            LABELS[part.kind],
            format_bytes(part.size_bytes),
            PART_CLASSES[part.kind],
            _place(begin, whole),
            _place(part.size_bytes, whole),
        )
        begin += part.size_bytes


def _place(count: int, whole: int) -> str:
    """A number for an attribute, whatever the reader's language writes in place of the point."""
    return f"{count / whole * BAR_WIDTH:.3f}"
