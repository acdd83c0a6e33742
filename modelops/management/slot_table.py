"""Slots as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gateway.caller_language import say_here
from gateway.columns import measure_columns, pad
from gateway.wording import FilledText, Translatable, fill_in, fill_text, join_texts
from modelops.domain.fit.report_text import format_bytes
from modelops.switching.slot_status import SERVICE_STATES, name_service_state

HEADINGS: Sequence[Translatable] = ("SLOT", "STATE", "SERVES", "GPUS", "RUNTIME", "BOX")
LIVES: Mapping[str, Translatable] = {"retired": "retired", "retiring": "being retired"}
GAP = "  "


def format_slots(slots: Sequence[Mapping[str, Any]], boxes: Sequence[Mapping[str, Any]]) -> str:
    """The slots, then the cards of each box with the slot that has them."""
    rows = [[say_here(fill_text(heading, {})) for heading in HEADINGS]]
    rows += [[str(say_here(cell)) for cell in _list_cells(slot)] for slot in slots]
    widths = [max(measure_columns(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        GAP.join(pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    for box in boxes:
        lines += ["", *(str(say_here(line)) for line in _list_box(box, slots))]
    return "\n".join(lines)


def _list_cells(slot: Mapping[str, Any]) -> list[str]:
    return [
        slot["name"],
        name_state(slot["state"]),
        slot["current_profile"] or "-",
        name_gpus(slot),
        slot["runtime"] or fill_in("any"),
        (slot["box"]["host"] or slot["box"]["name"]) if slot["box"] else "-",
    ]


def name_state(state: str) -> FilledText:
    if state in LIVES:
        return fill_text(LIVES[state], {})
    return name_service_state(state) if state in SERVICE_STATES else fill_text(state, {})


def name_gpus(slot: Mapping[str, Any]) -> str:
    """`GPU 0, GPU 1`; a card that its box does not have now by its UUID."""
    if not slot["has_gpus"]:
        return fill_in("none")
    if slot["takes_every_gpu"]:
        return fill_in("every GPU of the box")
    return ", ".join(gpu["id"] if gpu["index"] is None else f"GPU {gpu['index']}" for gpu in slot["gpus"])


def _list_box(box: Mapping[str, Any], slots: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    title = f"{box['host']} ({box['name']})" if box["host"] else box["name"]
    heard = (
        fill_in("its switcher runs")
        if box["is_heard"]
        else fill_in("its switcher has not been heard of lately")
    )
    yield join_texts(": ", [title, heard])
    if box["gpus"] is None:
        yield fill_in("  Nobody has read its GPUs yet.")
    for gpu in box["gpus"] or ():
        size = format_bytes(gpu["total_bytes"]) if gpu["total_bytes"] else "?"
        owner = _find_owner(gpu["id"], box["name"], slots)
        yield f"  GPU {gpu['index']}  {gpu['name']}  {size}  {gpu['id']}  {owner or '-'}"


def _find_owner(card: str, box: str, slots: Sequence[Mapping[str, Any]]) -> str:
    """The slot that has the card; empty where none has."""
    here = [slot for slot in slots if slot["box"] and slot["box"]["name"] == box and not slot["retired_at"]]
    for slot in here:
        if slot["takes_every_gpu"] or card in [gpu["id"] for gpu in slot["gpus"]]:
            name: str = slot["name"]
            return name
    return ""
