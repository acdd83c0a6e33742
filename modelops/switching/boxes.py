"""The boxes that are known: who was heard of there, and the cards that its switcher read last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.wording import fill_in
from modelops.domain.fit.report_text import format_bytes
from modelops.fit.gpu_choice import GpuChoice, choose_seen
from modelops.fit.profile_fits import READING_AGE_S, get_gpu_choice
from modelops.hardware import HardwareReading
from modelops.hardware.sampling import latest_reading, latest_readings
from modelops.models import Slot, SwitcherPresence
from modelops.switching.switchers import describe_box, list_present


@dataclass(frozen=True)
class BoxCard:
    """A card of a box. `key` is what a slot keeps of it: its UUID, or its number where it tells none."""

    key: str
    index: int
    name: str
    total_bytes: int | None

    @property
    def names(self) -> frozenset[str]:
        """What it may be called."""
        return frozenset({self.key, str(self.index)})

    def describe(self) -> str:
        """`GPU 1 (NVIDIA GeForce RTX 3090, 24.0 GiB)`."""
        size = format_bytes(self.total_bytes) if self.total_bytes else "?"
        return fill_in("GPU {index} ({name}, {size})", index=self.index, name=self.name, size=size)


@dataclass(frozen=True)
class KnownBox:
    """A box, by what its switcher said of it last. `cards` is None where nobody has read them."""

    name: str
    machine: str
    host: str
    switcher_host: str
    seen_at: datetime | None
    is_heard: bool
    cards: tuple[BoxCard, ...] | None = None
    reading: HardwareReading | None = None

    @property
    def title(self) -> str:
        """`gpu-1 (docker:QX7K…)`."""
        return describe_box(self.name, self.host)

    @property
    def names(self) -> frozenset[str]:
        """What an operator may call it."""
        return frozenset(filter(None, (self.name, self.host, self.switcher_host)))

    def find_card(self, name: str) -> BoxCard | None:
        """By its UUID or its number."""
        return next((card for card in self.cards or () if name in card.names), None)


def list_boxes(*, reading_age_s: float = READING_AGE_S) -> list[KnownBox]:
    """Every box of a switcher that was heard of in the last days, and of a slot; heard ones first."""
    presences = {row.box: row for row in SwitcherPresence.objects.exclude(box="").order_by("seen_at")}
    heard = {row.box: row for row in reversed(list_present()) if row.box}
    rows = {**presences, **heard}.values()
    readings = latest_readings(max_age_s=reading_age_s)
    if len(rows) == len(readings) == 1:
        # Whatever reads the cards there may call the machine otherwise.
        readings = {row.host: reading for row in rows for reading in readings.values()}
    boxes = [_to_box(row, readings, is_heard=row.box in heard) for row in rows]
    known = {box.name for box in boxes}
    for slot in Slot.objects.in_use().exclude(box="").exclude(box__in=known):
        if slot.box not in known:
            known.add(slot.box)
            boxes.append(KnownBox(slot.box, slot.box_machine, slot.box_host, "", None, is_heard=False))
    return sorted(boxes, key=lambda box: (not box.is_heard, box.host, box.name))


def _to_box(row: SwitcherPresence, readings: dict[str, HardwareReading], *, is_heard: bool) -> KnownBox:
    reading = readings.get(row.host)
    return KnownBox(
        row.box,
        row.machine,
        row.box_host,
        row.host,
        row.seen_at,
        is_heard,
        None if reading is None else list_cards(reading),
        reading,
    )


def list_cards(reading: HardwareReading) -> tuple[BoxCard, ...]:
    """Those that can serve."""
    return tuple(
        BoxCard(gpu.uuid or str(gpu.index), gpu.index, gpu.name or "", gpu.total_bytes)
        for gpu in reading.usable_gpus
    )


def find_box_of(slot: Slot, boxes: Iterable[KnownBox]) -> KnownBox | None:
    """The slot's; for one that is no box's yet the only one there is. None where that is not known."""
    if slot.box:
        return next((box for box in boxes if box.name == slot.box), None)
    heard = [box for box in boxes if box.is_heard]
    return heard[0] if len(heard) == 1 else None


def get_box_choice(slot: Slot) -> GpuChoice:
    """All cards of the slot's box, as they were read last; of any machine while there is only one box."""
    rows = list(SwitcherPresence.objects.exclude(box="").order_by("-seen_at"))
    if not slot.box or all(row.box == slot.box for row in rows):
        return get_gpu_choice()
    host = next((row.host for row in rows if row.box == slot.box), None)
    return choose_seen(latest_reading(max_age_s=READING_AGE_S, host=host) if host else None)


def name_cards(keys: Sequence[str], box: KnownBox | None) -> str:
    """The cards as people call them: by number and name where they were read, else as they are stored."""
    found = [(key, box.find_card(key) if box else None) for key in keys]
    return ", ".join(f"GPU {card.index} ({card.name})" if card else key for key, card in found)
