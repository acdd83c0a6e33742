"""Slots with their cards and boxes as plain JSON values: the same for the API and the commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelops.models import DEFAULT_SLOT, Slot
from modelops.switching.boxes import BoxCard, KnownBox, find_box_of, list_boxes
from modelops.switching.slot_status import SlotStatus, find_slot_statuses, list_slot_statuses
from modelops.switching.slots import get_slot


def describe_slots(*, with_retired: bool = False) -> dict[str, Any]:
    """Every slot, the default one's first, and every box that is known."""
    boxes = list_boxes()
    statuses = list_slot_statuses()
    if with_retired:
        retired = Slot.objects.exclude(retired_at=None).select_related("active_engine")
        statuses += find_slot_statuses(list(retired))
    return {
        "slots": [serialise_slot_details(status, boxes) for status in statuses],
        "boxes": [serialise_box(box) for box in boxes],
    }


def describe_slot(slug: str) -> dict[str, Any]:
    """One of them. Raises NotFound."""
    [status] = find_slot_statuses([get_slot(slug)])
    return serialise_slot_details(status, list_boxes())


def serialise_slot_details(status: SlotStatus, boxes: Sequence[KnownBox]) -> dict[str, Any]:
    slot = status.slot
    box = find_box_of(slot, boxes)
    return {
        "name": slot.slug,
        "is_default": slot.slug == DEFAULT_SLOT,
        "state": name_life(slot) or str(status.state),
        "current_profile": status.current_profile or None,
        "desired_profile": slot.desired_profile or None,
        "has_gpus": slot.has_gpus,
        "takes_every_gpu": slot.has_gpus and not slot.gpus,
        "gpus": [_serialise_named(str(gpu), box) for gpu in slot.gpus],
        "runtime": slot.runtime or None,
        "box": _serialise_box_of(slot, box),
        "retired_at": slot.retired_at.isoformat().replace("+00:00", "Z") if slot.retired_at else None,
    }


def name_life(slot: Slot) -> str:
    """`retired` or `retiring`; empty for a slot in use."""
    if slot.retired_at is not None:
        return "retired"
    return "retiring" if slot.retiring_at is not None else ""


def _serialise_named(key: str, box: KnownBox | None) -> dict[str, Any]:
    """A card that a slot was given, whether its box has it now or not."""
    card = box.find_card(key) if box else None
    return serialise_card(card) if card else {"id": key, "index": None, "name": None, "total_bytes": None}


def serialise_card(card: BoxCard) -> dict[str, Any]:
    return {"id": card.key, "index": card.index, "name": card.name, "total_bytes": card.total_bytes}


def _serialise_box_of(slot: Slot, box: KnownBox | None) -> Mapping[str, Any] | None:
    if not slot.box:
        return None
    return {"name": slot.box, "host": slot.box_host, "is_heard": box is not None and box.is_heard}


def serialise_box(box: KnownBox) -> dict[str, Any]:
    """`gpus` is null where nobody has read them."""
    return {
        "name": box.name,
        "host": box.host,
        "is_heard": box.is_heard,
        "seen_at": box.seen_at.isoformat().replace("+00:00", "Z") if box.seen_at else None,
        "gpus": None if box.cards is None else [serialise_card(card) for card in box.cards],
    }
