"""What the commands about switching share: who asks, how a wait is shown, how it ends."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import IntEnum

from django.conf import settings
from django.core.management.base import OutputWrapper
from django.db import OperationalError, connection
from django.utils import timezone

from gateway.audit import operating_system_user
from gateway.caller_language import say_here
from gateway.stop_signal import StopSignal
from gateway.wording import FilledText, Translatable, fill_in, fill_text
from modelops.domain.engine_log.causes import RootCause
from modelops.domain.engine_log.remedies import EditProfile
from modelops.domain.fit.report_text import format_bytes
from modelops.domain.switching.names import PHASES, name_phase
from modelops.domain.switching.states import SwitchState
from modelops.models import DEFAULT_SLOT, Switch
from modelops.switching.actor import Actor
from modelops.switching.contexts import ReducedContext, find_reduced_context, find_target
from modelops.switching.draining import Draining, count_answers, find_draining
from modelops.switching.remedies import RemedyOffer, offer_remedies_for
from modelops.switching.selectors import ended_by_request, find_switcher, get_switch
from modelops.switching.status import count_remaining_s, describe_detail

POLL_S = 0.2
BAR_WIDTH = 24
START_OF_LINE, CLEAR_TO_END = "\r", "\x1b[K"


class ExitCode(IntEnum):
    """How the commands about switching end; their --help and docs/switching.md list these."""

    ACTIVE = 0
    FAILED = 1
    REFUSED = 2
    DEGRADED = 3
    CANCELLED = 4
    TIMED_OUT = 5
    NO_SWITCHER = 6
    INTERRUPTED = 130


EXIT_MEANINGS: Mapping[ExitCode, str] = {
    ExitCode.ACTIVE: "the profile is active (with --no-wait: the switch is asked for; "
    "with --dry-run: the plan is accepted)",
    ExitCode.FAILED: "it failed, and what served before serves again",
    ExitCode.REFUSED: "wrong usage, or the plan was refused; nothing was changed",
    ExitCode.DEGRADED: "it failed, and nothing serves",
    ExitCode.CANCELLED: "it was cancelled, or gave way to a later switch",
    ExitCode.TIMED_OUT: "--timeout is over; the switch goes on",
    ExitCode.NO_SWITCHER: "no switcher is running that could carry it out",
    ExitCode.INTERRUPTED: "interrupted while waiting; the switch goes on",
}

EXIT_OF_STATE: Mapping[str, ExitCode] = {
    SwitchState.ACTIVE: ExitCode.ACTIVE,
    SwitchState.ROLLED_BACK: ExitCode.FAILED,
    SwitchState.REJECTED: ExitCode.REFUSED,
    SwitchState.DEGRADED: ExitCode.DEGRADED,
    SwitchState.CANCELLED: ExitCode.CANCELLED,
}


def find_exit_code(switch: Switch) -> ExitCode:
    """Of a switch that has ended."""
    return ExitCode.CANCELLED if ended_by_request(switch) else EXIT_OF_STATE[switch.state]


def describe_exit_codes() -> str:
    return "; ".join(f"{code.value}: {meaning}" for code, meaning in EXIT_MEANINGS.items())


def find_actor() -> Actor:
    """Who runs this command, as the operating system knows him."""
    return Actor(Switch.Via.COMMAND, name=f"{operating_system_user()} (shell)")


class ProgressLine:
    """Shows a switch as it goes: on a terminal one line that is rewritten, elsewhere a line a change."""

    def __init__(self, output: OutputWrapper) -> None:
        self._output = output
        self._is_terminal = output.isatty()
        self._shown = ""

    def show(self, switch: Switch, now: datetime) -> None:
        draining = find_draining(switch)
        text = describe_progress(switch, now, draining, with_bar=self._is_terminal)
        # A countdown is no change.
        key = text if self._is_terminal else describe_step(switch, _count_or_detail(switch, draining))
        if key == self._shown:
            return
        self._shown = key
        if self._is_terminal:
            self._output.write(f"{START_OF_LINE}{text}{CLEAR_TO_END}", ending="")
        else:
            self._output.write(text)
        self._output.flush()

    def end(self) -> None:
        """Leave the line, so that what follows stands on its own."""
        if self._is_terminal and self._shown:
            self._output.write("")


def _count_or_detail(switch: Switch, draining: Draining | None) -> str:
    return count_answers(draining) if draining else switch.get_text("detail")


def describe_progress(
    switch: Switch, now: datetime, draining: Draining | None = None, *, with_bar: bool
) -> str:
    """`loading (weights)  43 %  shard 2 of 4  about 40 s left`, on a terminal behind a bar."""
    parts = [describe_step(switch, describe_detail(switch, draining, now))]
    if switch.percent is not None:
        filled = round(BAR_WIDTH * switch.percent / 100)
        parts.insert(0, f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}]" if with_bar else "")
        parts.append(f"{switch.percent} %")
    remaining_s = count_remaining_s(switch, now)
    if remaining_s is not None:
        parts.append(
            say_here(fill_in("about {seconds} s left", seconds=remaining_s))
            if remaining_s
            else say_here(fill_in("ready any moment"))
        )
    return "  ".join(part for part in parts if part)


def describe_step(switch: Switch, detail: str) -> str:
    """The state, the phase of the engine's start-up where the detail does not name it, and the detail."""
    step, told = str(switch.get_state_display()), str(say_here(detail))
    phase = say_here(name_phase(switch.phase)) if switch.phase in PHASES else ""
    if phase and switch.is_live and phase not in told:
        step += f" ({phase})"
    if switch.cancel_requested_at and switch.is_live:
        step += ", " + say_here(fill_in("cancel asked for"))
    return f"{step}: {told}" if told else step


def watch_switch(
    switch_id: uuid.UUID, line: ProgressLine, stop: StopSignal, *, timeout_s: float | None
) -> Switch | ExitCode:
    """The switch once it has ended, shown on the way; else why the wait is over before that."""
    deadline = time.monotonic() + timeout_s if timeout_s is not None else None
    for switch in _poll(switch_id, stop):
        if switch is not None:
            line.show(switch, timezone.now())
            if not switch.is_live:
                return switch
            if not find_switcher(switch.slot).is_alive:
                return ExitCode.NO_SWITCHER
        if deadline is not None and time.monotonic() >= deadline:
            return ExitCode.TIMED_OUT
    return ExitCode.INTERRUPTED


def _poll(switch_id: uuid.UUID, stop: StopSignal) -> Iterator[Switch | None]:
    """The row again and again until a signal comes; None while the database does not answer."""
    while not stop.is_set:
        try:
            yield get_switch(switch_id)
        except OperationalError:
            connection.close()
            yield None
        stop.wait(POLL_S)


def describe_end(switch: Switch) -> str:
    """What became of it, and of a failed one why and what to do."""
    if ended_by_request(switch):
        text: str = say_here(_describe_cancelling(switch))
        return text
    reduced = find_reduced_context(switch, find_target(switch))
    if reduced is not None:
        return _describe_reduced(switch, reduced)
    summary = _SUMMARIES.get(SwitchState(switch.state), _GOES_ON)
    lines = [say_here(fill_text(summary, {"to": switch.to_profile}))]
    if switch.state in (SwitchState.ROLLED_BACK, SwitchState.DEGRADED, SwitchState.REJECTED):
        lines += [f"  {say_here(line)}" for line in _list_causes(switch)]
        lines += describe_remedies(switch)
        history = describe_history(switch)
        lines.append(say_here(fill_in("  Its history and the engine's last lines: {link}", link=history)))
    return "\n".join(lines)


def _describe_cancelling(switch: Switch) -> FilledText:
    names = {"profile": switch.to_profile, "by": switch.get_text("cancelled_by")}
    if switch.state == SwitchState.ROLLED_BACK:
        return fill_in(
            "The switch to {profile} was cancelled by {by}; what served before serves again.", **names
        )
    return fill_in("The switch to {profile} was cancelled by {by}.", **names)


def _list_causes(switch: Switch) -> Iterator[str]:
    for cause in filter(None, [switch.root_cause]):
        yield from (cause[name] for name in ("message", "advice") if cause.get(name))
    for cause in filter(None, [switch.restore_cause]):
        yield from (
            fill_in("going back: {text}", text=cause[name])
            for name in ("message", "advice")
            if cause.get(name)
        )


def _describe_reduced(switch: Switch, reduced: ReducedContext) -> str:
    """That it serves less than was asked for, and the command that keeps it."""
    names = {"profile": switch.to_profile, "length": f"{reduced.max_model_len:,}"}
    said = fill_in("{profile} is active with a shorter context: {length} tokens.", **names)
    if reduced.wanted is not None:
        said = fill_in(
            "{profile} is active with a shorter context: {length} tokens instead of {wanted}.",
            wanted=f"{reduced.wanted:,}",
            **names,
        )
    line: str = say_here(said)
    if not reduced.can_be_kept:
        return line
    place = "" if switch.slot.slug == DEFAULT_SLOT else f" --slot {switch.slot.slug}"
    keep = f"switch_model {switch.to_profile} --max-model-len {reduced.max_model_len} --keep-context{place}"
    hint = say_here(fill_in("  To keep it in the profile: {command}", command=f"manage.py {keep}"))
    return f"{line}\n{hint}"


def describe_remedies(switch: Switch) -> list[str]:
    """What can be done about its cause, each with the command or the page that does it."""
    if not switch.root_cause:
        return []
    cause = RootCause.parse(switch.root_cause)
    offers = offer_remedies_for(cause, switch.to_profile, switch.slot)
    lines = [line for offer in offers for line in _list_remedy_lines(offer)]
    return [say_here(fill_in("  What can be done:")), *lines] if lines else []


def _list_remedy_lines(offer: RemedyOffer) -> Iterator[str]:
    way = offer.command
    if not way and isinstance(offer.remedy, EditProfile) and offer.profile is not None:
        way = f"{settings.BASE_PATH}/admin/modelops/modelprofile/{offer.profile.pk}/change/"
    yield f"  - {say_here(offer.title)}" + (f": {way}" if way else "")
    if offer.hint:
        yield f"    {say_here(offer.hint)}"
    for holder in offer.holders:
        size = format_bytes(holder.used_bytes) if holder.used_bytes is not None else "?"
        yield f"    GPU {holder.gpu}: {holder.pid} {holder.name}, {size}"


_GOES_ON: Translatable = "The switch to {to} goes on."
_SUMMARIES: Mapping[SwitchState, Translatable] = {
    SwitchState.ACTIVE: "{to} is active.",
    SwitchState.ROLLED_BACK: "The switch to {to} failed; what served before serves again.",
    SwitchState.DEGRADED: "The switch to {to} failed, and nothing serves now.",
    SwitchState.REJECTED: "The switch to {to} was refused; what served before was not touched.",
}


def describe_history(switch: Switch) -> str:
    return f"{settings.BASE_PATH}/admin/modelops/switch/{switch.id}/change/"
