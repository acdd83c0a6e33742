"""The rows in which running web processes report themselves. Handlers of `gateway.batching`."""

from __future__ import annotations

import contextlib
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from django.db.models.functions import Now

from modelops.models import WebPresence

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NETWORK_NAMESPACE = "/proc/self/ns/net"
SILENT_FOR = timedelta(seconds=30)
"""A web process not heard of for longer, by the database's clock, may be dead. One that was only stopped for
a while, or could not reach the database, has answers that go on."""
FORGET_PRESENCE_AFTER = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Presence:
    """A web process, and by slot id `{"epoch", "open", "waiting"}`: what it acts on and has there."""

    id: uuid.UUID
    host: str
    pid: int
    slots: Mapping[str, Mapping[str, int]]
    network: str = ""
    reached: Mapping[str, str] = field(default_factory=dict)
    """As in `WebPresence.reached`."""


def identify_network() -> str:
    """Two processes with the same one reach each other on the loopback address."""
    with contextlib.suppress(OSError):
        return f"{BOOT_ID.read_text().strip()} {os.readlink(NETWORK_NAMESPACE)}"
    return socket.gethostname()


def write_presence(items: Sequence[Presence]) -> list[None]:
    """Say that these processes live, by the database's clock."""
    for item in items:
        values = {
            "slots": {slot_id: dict(counts) for slot_id, counts in item.slots.items()},
            "reached": dict(item.reached),
            "seen_at": Now(),
        }
        if not WebPresence.objects.filter(pk=item.id).update(**values):
            WebPresence.objects.filter(seen_at__lt=Now() - FORGET_PRESENCE_AFTER).delete()
            own = {"id": item.id, "host": item.host, "pid": item.pid, "network": item.network}
            WebPresence.objects.create(**own, **values)
    return [None] * len(items)


def remove_presence(items: Sequence[uuid.UUID]) -> list[None]:
    """Delete the rows of processes that have stopped and have no request open."""
    WebPresence.objects.filter(pk__in=items).delete()
    return [None] * len(items)
