"""Which box this switcher runs on, and which slots are that box's.

A box is what a switcher can see: the containers of one Docker engine, and the child processes whose records
lie in one data folder. What is on another box looks exactly like what was removed, so nobody judges it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.wording import fill_in
from modelops.domain.runtimes import RuntimeKind, get_traits
from modelops.models import Slot
from modelops.runtimes.base import InstanceState, Runtime, RuntimeFailure
from modelops.switching.slot_status import ServiceState, find_slot_statuses
from modelops.switching.switchers import describe_box

BOX_FILE = "box-id"
MACHINE_ID = Path("/etc/machine-id")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, kw_only=True)
class Box:
    """Where a switcher runs. `docker` is empty where no Docker engine has answered it."""

    docker: str
    machine: str
    host: str
    boot: str

    @property
    def name(self) -> str:
        return self.docker or self.machine

    def owns(self, slot: Slot) -> bool:
        """Whether the slot is this box's, as far as this box can tell now."""
        if slot.box == self.name:
            return True
        if self.docker:
            # Taken while there was no Docker; from now on it is that engine's.
            return slot.box == self.machine
        is_same_machine = bool(slot.box) and slot.box_machine == self.machine
        # Its containers are on a Docker engine that does not answer, and another one may answer next.
        open_engines = slot.engines.filter(ended_at=None)
        return is_same_machine and not open_engines.filter(runtime=RuntimeKind.DOCKER).exists()


def find_box(docker: Mapping[str, Any], folder: Path) -> Box:
    """This box, by what its Docker engine says of itself (`Runtime.describe`)."""
    return Box(
        docker=f"docker:{docker['id']}" if docker.get("id") else "",
        machine=identify_machine(folder),
        host=docker.get("host") or socket.gethostname(),
        boot=identify_boot(),
    )


def identify_machine(folder: Path) -> str:
    """By an id that lies in the data folder, as the records of child processes do; made on first use.

    A machine's own id would be missing in most containers, and the same in a cloned machine.
    """
    return f"machine:{_read_box_id(folder) or _read(MACHINE_ID) or socket.gethostname()}"


def identify_boot() -> str:
    """Differs after each start of the machine; empty where nothing tells."""
    return _read(BOOT_ID)


def _read_box_id(folder: Path) -> str:
    """Empty where the folder cannot be written."""
    path = folder / BOX_FILE
    if not path.exists():
        made = folder / f".{BOX_FILE}.{uuid.uuid4().hex}"
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            made.write_text(uuid.uuid4().hex)
            # Whole from the start, and the first one wins.
            with contextlib.suppress(FileExistsError):
                os.link(made, path)
            made.unlink()
    return _read(path)


def _read(path: Path) -> str:
    """Empty where there is no such file."""
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return ""


def claim_slot(slot: Slot, box: Box, runtimes: Mapping[str, Runtime]) -> bool:
    """Whether the slot is the box's; one that is nobody's yet is taken.

    Unless its engine serves on another box: then that box's switcher takes it.
    """
    if slot.box:
        return box.owns(slot) and (not box.docker or slot.box == box.docker or _take(slot, box))
    return _is_visible(slot, runtimes) and _take(slot, box)


def _take(slot: Slot, box: Box) -> bool:
    """False where another switcher was faster."""
    mine = {"box": box.name, "box_machine": box.machine, "box_host": box.host}
    if not Slot.objects.filter(pk=slot.pk, box=slot.box).update(**mine):
        return False
    for name, value in mine.items():
        setattr(slot, name, value)
    return True


def _is_visible(slot: Slot, runtimes: Mapping[str, Runtime]) -> bool:
    """Whether the engine that serves is one of this box's, or nobody's, or there is none."""
    engine = slot.active_engine
    if engine is None or not get_traits(engine.runtime).is_managed:
        return True
    try:
        return runtimes[engine.runtime].status(engine.name).state is not InstanceState.ABSENT
    except RuntimeFailure:
        return False


def describe_foreign(slot: Slot) -> str:
    """Why a switcher leaves a slot alone, in words."""
    if not slot.box:
        engine = slot.active_engine.name if slot.active_engine else ""
        return fill_in(
            "{slot} is no box's yet, and its engine {engine} is not here.", slot=slot.slug, engine=engine
        )
    return fill_in("{slot} belongs to {box}.", slot=slot.slug, box=describe_box(slot.box, slot.box_host))


def find_unreachable(slots: Sequence[Slot]) -> tuple[str, ...]:
    """Those of other boxes that are gone: their own switcher tells nobody any more."""
    statuses = find_slot_statuses([slot for slot in slots if slot.box])
    return tuple(each.slot.slug for each in statuses if each.state is ServiceState.UNREACHABLE)
