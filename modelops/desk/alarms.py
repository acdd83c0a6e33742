"""What an operator should act on, each with what to do and where.

An alarm's texts are those of `gateway.wording`: English here, said in each language when they are encoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gateway.wording import end_sentence, fill_in
from modelops.desk.remedy_links import find_remedy_link
from modelops.domain.fit.specs import GIB
from modelops.hardware import GpuReading, HardwareReading, ProblemCode, list_problems
from modelops.models import Switch, SwitcherPresence
from modelops.switching.remedies import RemedyOffer, offer_remedies
from modelops.switching.selectors import SwitcherView
from modelops.switching.slot_status import ServiceState, SlotStatus
from modelops.switching.status import find_failure

HOT_C = 85
"""NVIDIA's cards of these years slow down between 83 and 93 °C; below this the fans are still winning."""
MOST_REMEDIES = 3
LOW_DISK_BYTES = 20 * GIB
"""Less than the weights of a 14B model in 16 bits, so that the next download is likely to fail."""


class Level(StrEnum):
    BAD = "bad"
    """Nothing is served, or soon will not be."""
    WARN = "warn"


@dataclass(frozen=True)
class Alarm:
    """`advice` says what to do. `target` is the page that helps: `switch` (with its id), `switches`, `gpus`
    or `profiles`; empty where none does."""

    code: str
    level: Level
    message: str
    advice: str
    target: str = ""
    switch: str = ""
    remedies: Sequence[tuple[str, str]] = ()
    """What can be done about it at once: the words of a button, and the page that it leads to."""
    subject: str = ""
    """The slot, card or machine that it is about, where there may be several with the same code."""

    @property
    def key(self) -> str:
        """The same for as long as it lasts, whatever its message says meanwhile."""
        return f"{self.code}:{self.subject}" if self.subject else self.code

    def serialise(self) -> dict[str, Any]:
        """JSON values, with texts that are still to be translated."""
        return {
            "code": self.code,
            "level": str(self.level),
            "message": self.message,
            "advice": self.advice,
            "target": self.target,
            "switch": self.switch,
            "remedies": [{"title": title, "url": url} for title, url in self.remedies],
        }


@dataclass(frozen=True, kw_only=True)
class AlarmFacts:
    """What alarms are found in."""

    statuses: Sequence[SlotStatus]
    restarts: Sequence[Switch]
    """By which engines that had ended were started again in the last hour, the newest first."""
    reading: HardwareReading | None
    switcher: SwitcherView
    presences: Sequence[SwitcherPresence]
    needs_gpus: bool
    """Whether a profile that is to be served runs on GPUs."""


def find_alarms(facts: AlarmFacts) -> list[Alarm]:
    """The worst first."""
    found = [
        *_find_silent_switcher(facts),
        *_find_degraded(facts),
        *_find_unreachable(facts),
        *_find_missing_replicas(facts),
        *_find_hardware(facts),
        *_find_restarts(facts),
        *_find_low_disk(facts),
    ]
    return sorted(found, key=lambda alarm: alarm.level != Level.BAD)


def _find_silent_switcher(facts: AlarmFacts) -> Iterator[Alarm]:
    if facts.switcher.is_alive or facts.switcher.seen_at is None:
        # Where none was ever started, an engine of VLLM_BASE_URL may be all there is.
        return
    yield Alarm(
        "switcher_silent",
        Level.BAD,
        fill_in("The switcher on {host} has not been heard of lately.", host=facts.switcher.host or "?"),
        fill_in(
            "What serves goes on, but no switch is carried out and no engine that ends is started again. "
            "Start a switcher: `manage.py run_switcher`."
        ),
    )


def _find_degraded(facts: AlarmFacts) -> Iterator[Alarm]:
    degraded = [each for each in facts.statuses if each.state is ServiceState.DEGRADED]
    failures = [find_failure(status) for status in degraded]
    offers = iter(offer_remedies([each for each in failures if each is not None]))
    for status, failure in zip(degraded, failures, strict=True):
        failed = status.last_failed
        reason = status.problem or (end_sentence(failure.cause.message) if failure else "")
        advice = failure.cause.advice if failure else ""
        yield Alarm(
            "degraded",
            Level.BAD,
            _say_degraded(status, reason),
            advice or fill_in("Look at the cause, then switch to a profile that fits."),
            target="switch" if failed else "switches",
            switch=str(failed.pk) if failed else "",
            remedies=_list_links(next(offers)) if failure else (),
            subject=status.slot.slug,
        )


def _find_unreachable(facts: AlarmFacts) -> Iterator[Alarm]:
    for status in facts.statuses:
        if status.state is not ServiceState.UNREACHABLE:
            continue
        yield Alarm(
            "box_gone",
            Level.BAD,
            fill_in("Slot {slot} is unreachable. {reason}", slot=status.slot.slug, reason=status.problem),
            fill_in(
                "Start the box, its Docker and its switcher. If it is gone for good, have another box serve "
                "the slot: `manage.py move_slot {slot}`.",
                slot=status.slot.slug,
            ),
            subject=status.slot.slug,
        )


def _find_missing_replicas(facts: AlarmFacts) -> Iterator[Alarm]:
    """Only those that failed: one that is being started for the first time is no alarm."""
    for status in facts.statuses:
        found = status.replicas
        if found is None or found.is_whole or found.cause is None:
            continue
        yield Alarm(
            "replica_missing",
            Level.WARN,
            fill_in(
                "{serving} of {wanted} replicas of {profile} answer: {reason}",
                serving=found.serving,
                wanted=found.wanted,
                profile=status.current_profile,
                reason=end_sentence(found.cause.message),
            ),
            found.cause.advice or fill_in("It is started again by itself. Its log says why it ended."),
            target="switches",
            subject=status.slot.slug,
        )


def _list_links(offers: Sequence[RemedyOffer]) -> list[tuple[str, str]]:
    """Those that a page of the admin carries out, the likeliest first."""
    links = [(offer.title, find_remedy_link(offer)) for offer in offers]
    return [(title, url) for title, url in links if url][:MOST_REMEDIES]


def _say_degraded(status: SlotStatus, reason: str) -> str:
    slot = status.slot.slug
    if status.slot.desired_profile and reason:
        wanted = status.slot.desired_profile
        return fill_in(
            "Slot {slot} should serve {profile} and serves nothing: {reason}",
            slot=slot,
            profile=wanted,
            reason=reason,
        )
    if reason:
        return fill_in("Slot {slot} serves nothing: {reason}", slot=slot, reason=reason)
    return fill_in("Slot {slot} serves nothing.", slot=slot)


def _find_hardware(facts: AlarmFacts) -> Iterator[Alarm]:
    reading = facts.reading
    if reading is None:
        return
    for problem in list_problems(reading):
        is_laptop = problem.code in (ProblemCode.LIBRARY_MISSING, ProblemCode.NO_GPU)
        if is_laptop and not facts.needs_gpus:
            continue
        level = Level.WARN if is_laptop or problem.code is ProblemCode.MEMORY_TAKEN else Level.BAD
        subject = "" if problem.gpu_index is None else str(problem.gpu_index)
        yield Alarm(str(problem.code), level, problem.message, problem.advice, target="gpus", subject=subject)
    for gpu in reading.usable_gpus:
        yield from _find_heat(gpu)


def _find_heat(gpu: GpuReading) -> Iterator[Alarm]:
    if gpu.temperature_c is None or gpu.temperature_c < HOT_C:
        return
    yield Alarm(
        "gpu_hot",
        Level.WARN,
        fill_in("GPU {index} is hot: {temperature} °C.", index=gpu.index, temperature=gpu.temperature_c),
        fill_in(
            "It slows down before it is damaged. Look at fans, dust and the space between the cards, or "
            "lower its power limit: `sudo nvidia-smi -i {index} -pl 280`.",
            index=gpu.index,
        ),
        target="gpus",
        subject=str(gpu.index),
    )


def _find_restarts(facts: AlarmFacts) -> Iterator[Alarm]:
    if not facts.restarts:
        return
    newest = facts.restarts[0]
    profile, count = newest.to_profile, len(facts.restarts)
    if count == 1:
        message = fill_in(
            "The engine of {profile} ended in the last hour and was started again.", profile=profile
        )
    else:
        message = fill_in(
            "Engines ended and were started again {count} times in the last hour, {profile} last.",
            count=count,
            profile=profile,
        )
    yield Alarm(
        "engine_restarted",
        Level.WARN,
        message,
        fill_in("Its log says why. If it happens again, give it less context or another image."),
        target="switch",
        switch=str(newest.pk),
    )


def _find_low_disk(facts: AlarmFacts) -> Iterator[Alarm]:
    lowest = min(
        ((free, each.host) for each in facts.presences for free in _list_free(each.facts)), default=None
    )
    if lowest is None or lowest[0] >= LOW_DISK_BYTES:
        return
    yield Alarm(
        "disk_low",
        Level.WARN,
        fill_in(
            "The disk for models and images on {host} is nearly full: {free} GiB are free.",
            host=lowest[1],
            free=f"{lowest[0] / GIB:.1f}",
        ),
        fill_in(
            "Remove what nobody uses: `docker image prune` for images, `hf cache delete` for weights. "
            "Until then larger models cannot be downloaded."
        ),
        target="profiles",
    )


def _list_free(facts: Mapping[str, Any]) -> list[int]:
    told = [each.get("free_bytes") for each in facts.values() if isinstance(each, Mapping)]
    return [free for free in told if isinstance(free, int)]
