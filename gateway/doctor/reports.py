"""What other processes left in the database about this machine; nothing where it does not answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from django.db import DatabaseError

from gateway.doctor.findings import VantagePoint
from modelops.domain.runtimes import RuntimeKind
from modelops.hardware import HardwareReading
from modelops.hardware.sampling import latest_readings
from modelops.models import ModelProfile, Slot, SwitcherPresence
from modelops.switching.switchers import list_present

Found = TypeVar("Found")

RECENT_S = 300.0


def list_reporters(place: VantagePoint) -> list[SwitcherPresence]:
    """The switchers that run now."""
    return _ask(place, list_present, [])


def read_stored_gpus(place: VantagePoint) -> Mapping[str, HardwareReading]:
    """By host, the readings of those that see GPUs."""
    none: Mapping[str, HardwareReading] = {}
    readings = _ask(place, lambda: latest_readings(max_age_s=RECENT_S), none)
    return {host: reading for host, reading in readings.items() if reading.gpus}


def needs_docker(place: VantagePoint) -> bool:
    """Whether a slot is to serve a profile that runs in a container."""
    wanted = Slot.objects.exclude(desired_profile="").values("desired_profile")
    profiles = ModelProfile.objects.filter(runtime=RuntimeKind.DOCKER, slug__in=wanted)
    return _ask(place, profiles.exists, False)


def _ask(place: VantagePoint, question: Callable[[], Found], nothing: Found) -> Found:
    if not place.has_database:
        return nothing
    try:
        return question()
    except DatabaseError:  # its own checks say what is the matter
        return nothing
