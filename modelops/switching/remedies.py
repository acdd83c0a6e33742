"""What can be done about a failure, in words and for its profile: the same for every interface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from gateway.wording import FilledText, fill_in
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.engine_log.remedies import (
    ChangeSetting,
    CheckFit,
    EditProfile,
    FreeGpu,
    Remedy,
    Retry,
    RetryWithContext,
    find_remedies,
)
from modelops.fit.profile_fits import READING_AGE_S
from modelops.hardware.readings import GpuReading, HardwareReading
from modelops.hardware.sampling import latest_readings
from modelops.models import DEFAULT_SLOT, ModelProfile, Slot, SwitcherPresence

MOST_HOLDERS = 10
LISTED_FIELDS = 4


@dataclass(frozen=True)
class GpuHolder:
    """A process that is not ours and has memory of a card, as it was read last."""

    gpu: int
    pid: int
    name: str
    """Its command as the machine shows it; empty where that is not known."""
    used_bytes: int | None
    container: str


@dataclass(frozen=True)
class RemedyOffer:
    """A remedy with its words. `profile` is None where it is about none, or where it was deleted."""

    remedy: Remedy
    title: str
    hint: str = ""
    command: str = ""
    """Of the command line; empty where none does it."""
    profile: ModelProfile | None = None
    holders: tuple[GpuHolder, ...] = ()
    slot: str = DEFAULT_SLOT


@dataclass(frozen=True)
class Failure:
    """What failed: a cause, the slug of the profile it is about, and the slot."""

    cause: RootCause
    profile: str
    slot: Slot


def offer_remedies(failures: Sequence[Failure]) -> list[list[RemedyOffer]]:
    """For each failure what helps, the likeliest first: four queries at most, however many there are.

    Where a profile is gone, only what needs none is left.
    """
    remedies = [find_remedies(each.cause) for each in failures]
    slugs = {each.profile for each, found in zip(failures, remedies, strict=True) if found}
    profiles = {row.slug: row for row in ModelProfile.objects.filter(slug__in=slugs)} if slugs else {}
    need_readings = any(isinstance(remedy, FreeGpu) for found in remedies for remedy in found)
    readings = BoxReadings.load() if need_readings else BoxReadings()
    return [
        [
            _offer(remedy, profiles.get(each.profile), each.slot, readings)
            for remedy in found
            if each.profile in profiles or isinstance(remedy, FreeGpu | ChangeSetting)
        ]
        for each, found in zip(failures, remedies, strict=True)
    ]


def offer_remedies_for(cause: RootCause, slug: str, slot: Slot) -> list[RemedyOffer]:
    """The same for one."""
    return offer_remedies([Failure(cause, slug, slot)])[0]


@dataclass(frozen=True)
class BoxReadings:
    """What was read of the cards last, of each host, and which hosts a box is known by."""

    by_host: Mapping[str, HardwareReading] = field(default_factory=dict)
    hosts: Sequence[tuple[str, str]] = ()
    """Pairs of a box and the name under which a switcher of it writes its readings."""

    @classmethod
    def load(cls) -> Self:
        known = SwitcherPresence.objects.exclude(box="").values_list("box", "host")
        return cls(latest_readings(max_age_s=READING_AGE_S), list(known))

    def find(self, slot: Slot) -> HardwareReading | None:
        """The newest reading of the slot's box with the slot's cards; of any box while it is no box's yet."""
        hosts = {host for box, host in self.hosts if box == slot.box} | {slot.box_host}
        mine = [reading for host, reading in self.by_host.items() if not slot.box or host in hosts]
        newest = max(mine, key=lambda reading: reading.taken_at, default=None)
        if newest is None or not slot.gpus:
            return newest
        names = {str(name) for name in slot.gpus}
        return replace(newest, gpus=tuple(gpu for gpu in newest.gpus if _names_of(gpu) & names))


def _names_of(gpu: GpuReading) -> set[str]:
    return {gpu.uuid or "", str(gpu.index)}


def _offer(remedy: Remedy, profile: ModelProfile | None, slot: Slot, readings: BoxReadings) -> RemedyOffer:
    reading = readings.find(slot) if isinstance(remedy, FreeGpu) else None
    holders = tuple(list_gpu_holders(reading))
    return RemedyOffer(
        remedy,
        title=describe_remedy(remedy),
        hint=_describe_hint(remedy, holders, is_known=_knows_holders(reading)),
        command=_find_command(remedy, profile.slug if profile else "", slot.slug),
        profile=profile,
        holders=holders,
        slot=slot.slug,
    )


def describe_remedy(remedy: Remedy) -> FilledText:
    """What the button says."""
    match remedy:
        case RetryWithContext(length):
            return fill_in("Retry with max_model_len {length} and keep it", length=f"{length:,}")
        case EditProfile():
            return fill_in("Edit the profile")
        case CheckFit():
            return fill_in("See what would fit")
        case FreeGpu():
            return fill_in("Free the card")
        case ChangeSetting(names):
            return fill_in("Set {names}", names=", ".join(names))
        case Retry():
            return fill_in("Try again")


def _describe_hint(remedy: Remedy, holders: Sequence[GpuHolder], *, is_known: bool) -> str:
    match remedy:
        case EditProfile(fields) if fields:
            return fill_in("Settings that may be wrong: {fields}.", fields=", ".join(fields[:LISTED_FIELDS]))
        case FreeGpu():
            return _describe_holders(holders, is_known=is_known)
        case ChangeSetting():
            return fill_in("A setting of the gateway's environment; restart the switcher after changing it.")
    return ""


def _describe_holders(holders: Sequence[GpuHolder], *, is_known: bool) -> str:
    if holders:
        return fill_in("These processes are not the gateway's and hold memory of the cards:")
    if is_known:
        return fill_in("At the last reading no process of others held memory of the cards.")
    return fill_in("Which processes hold memory of the cards is not known: no card was read lately.")


def _find_command(remedy: Remedy, profile: str, slot: str) -> str:
    place = "" if slot == DEFAULT_SLOT else f" --slot {slot}"
    match remedy:
        case RetryWithContext(length):
            return f"manage.py switch_model {profile} --max-model-len {length} --keep-context{place}"
        case Retry():
            return f"manage.py switch_model {profile}{place}"
        case CheckFit():
            return f"manage.py check_fit {profile}"
        case FreeGpu():
            return "manage.py gpu_status"
    return ""


def _knows_holders(reading: HardwareReading | None) -> bool:
    """Whether the driver told which processes hold memory of each card."""
    gpus = reading.gpus if reading else ()
    return bool(gpus) and all(gpu.processes is not None for gpu in gpus)


def list_gpu_holders(reading: HardwareReading | None) -> list[GpuHolder]:
    """Of a reading, the one that holds most first."""
    holders = [
        GpuHolder(gpu.index, process.pid, process.name or "", process.used_bytes, process.container or "")
        for gpu in (reading.gpus if reading else ())
        for process in gpu.processes or ()
        if not process.is_ours
    ]
    return sorted(holders, key=lambda each: -(each.used_bytes or 0))[:MOST_HOLDERS]


def serialise_remedy(offer: RemedyOffer) -> dict[str, Any]:
    """JSON values, as `RemedySerializer` has them; its texts can still be translated."""
    remedy = offer.remedy
    return {
        "kind": str(remedy.kind),
        "title": offer.title,
        "hint": offer.hint or None,
        "command": offer.command or None,
        "max_model_len": remedy.max_model_len if isinstance(remedy, RetryWithContext) else None,
        "fields": list(remedy.fields) if isinstance(remedy, EditProfile) else [],
        "settings": list(remedy.names) if isinstance(remedy, ChangeSetting) else [],
        "processes": [asdict(holder) for holder in offer.holders],
        "request": _find_request(offer),
    }


def _find_request(offer: RemedyOffer) -> dict[str, Any] | None:
    """The body for POST /api/models/switch that does it; None where no call does."""
    if offer.profile is None:
        return None
    body: dict[str, Any] = {"profile_id": offer.profile.slug, "slot": offer.slot}
    match offer.remedy:
        case RetryWithContext(length):
            return {**body, "max_model_len": length, "keep_context": True}
        case Retry():
            return body
    return None
