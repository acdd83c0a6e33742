"""The boxes as the desk shows them, where there is more than one: who is heard of, and the cards of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from modelops.desk.alarm_reading import READING_AGE
from modelops.desk.gpu_cards import describe_card
from modelops.desk.serving_parts import write_time
from modelops.hardware import HardwareReading
from modelops.models import Slot
from modelops.switching.boxes import KnownBox, find_box_of, list_boxes
from modelops.switching.slot_status import SlotStatus


def read_boxes() -> list[KnownBox]:
    return list_boxes(reading_age_s=READING_AGE.total_seconds())


def describe_boxes(boxes: Sequence[KnownBox], statuses: Sequence[SlotStatus]) -> list[dict[str, Any]]:
    """None of them while there is only one. A box that is silent is shown as long as a slot is on it."""
    shown = [box for box in boxes if box.is_heard or _list_slots(box, statuses)]
    return [_describe_box(box, _list_slots(box, statuses)) for box in shown] if len(shown) > 1 else []


def _list_slots(box: KnownBox, statuses: Sequence[SlotStatus]) -> list[SlotStatus]:
    return [status for status in statuses if status.slot.box == box.name]


def _describe_box(box: KnownBox, statuses: Sequence[SlotStatus]) -> dict[str, Any]:
    engines = [each.slot.active_engine for each in statuses if each.slot.active_engine is not None]
    return {
        "name": box.name,
        "host": box.host,
        "is_heard": box.is_heard,
        "seen_at": write_time(box.seen_at),
        "slots": [each.slot.slug for each in statuses],
        "cards": None if box.reading is None else [describe_card(gpu, engines) for gpu in box.reading.gpus],
    }


def find_slot_reading(
    slot: Slot, boxes: Sequence[KnownBox], newest: HardwareReading | None
) -> HardwareReading | None:
    """The slot's cards as its box was read last; of the newest reading while there is only one box."""
    box = find_box_of(slot, boxes)
    several = sum(each.is_heard for each in boxes) > 1
    reading = box.reading if several and box is not None else newest
    if reading is None or (slot.has_gpus and not slot.gpus):
        return reading
    names = {str(gpu) for gpu in slot.gpus}
    return replace(reading, gpus=tuple(g for g in reading.gpus if names & {g.uuid or "", str(g.index)}))
