"""What can be done about a failure, in words and for its profile: the same for every interface."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

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
from modelops.fit.profile_fits import READING_AGE_S, find_sampled_reading
from modelops.hardware.readings import HardwareReading
from modelops.models import DEFAULT_SLOT, ModelProfile

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


def offer_remedies(cause: RootCause, profile: ModelProfile | None, slot: str) -> list[RemedyOffer]:
    """What helps, the likeliest first; without a profile only what needs none. At most one query."""
    found = []
    for remedy in find_remedies(cause):
        if profile is not None or isinstance(remedy, FreeGpu | ChangeSetting):
            found.append(_offer(remedy, profile, slot))
    return found


def offer_remedies_for(cause: RootCause, slug: str, slot: str) -> list[RemedyOffer]:
    """The same for the profile with this slug, if there still is one."""
    if not find_remedies(cause):
        return []
    return offer_remedies(cause, ModelProfile.objects.filter(slug=slug).first(), slot)


def _offer(remedy: Remedy, profile: ModelProfile | None, slot: str) -> RemedyOffer:
    reading = find_sampled_reading(max_age_s=READING_AGE_S) if isinstance(remedy, FreeGpu) else None
    holders = tuple(list_gpu_holders(reading))
    return RemedyOffer(
        remedy,
        title=describe_remedy(remedy),
        hint=_describe_hint(remedy, holders, is_known=_knows_holders(reading)),
        command=_find_command(remedy, profile.slug if profile else "", slot),
        profile=profile,
        holders=holders,
        slot=slot,
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
