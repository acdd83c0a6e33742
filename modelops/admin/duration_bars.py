"""The states of a switch as rows with bars: what it took, what earlier ones took, what is ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from modelops.admin.outcomes import describe_state
from modelops.domain.switching.states import SwitchState, list_states_ahead
from modelops.models import Switch
from modelops.switching.durations import StateDuration, list_durations

BAR_WIDTH = 100.0
MARK_WIDTH = 0.8


@dataclass(frozen=True)
class StateRow:
    """A state of the timeline. `progress` is done, current or ahead; widths are of a drawing 100 wide."""

    name: str
    progress: str
    seconds: float | None
    usual_s: float | None
    width: str
    mark: str
    """Where the usual time ends; empty without one."""
    took_much_longer: bool


@dataclass(frozen=True)
class DurationTable:
    rows: list[StateRow]
    compared: int
    """Earlier switches that the usual times come from."""


def make_duration_table(switch: Switch, now: datetime) -> DurationTable:
    durations, usual = list_durations(switch, now)
    by_state = {each.state: each for each in durations}
    longest = max([*_times(durations), *usual.seconds.values(), 0.1])
    rows = [
        _make_row(state, progress, by_state.get(state), usual.seconds, longest)
        for state, progress in list_progress(switch, by_state)
    ]
    return DurationTable(rows, usual.count)


def list_progress(switch: Switch, spent: Iterable[str]) -> list[tuple[SwitchState, str]]:
    """The states that it spent time in, and the usual ones that are still ahead."""
    gone_through = set(spent)
    current = SwitchState(switch.state)
    ahead = list_states_ahead(current)
    found = []
    for state in SwitchState:
        if state == current and switch.is_live:
            found.append((state, "current"))
        elif state in gone_through:
            found.append((state, "done"))
        elif state in ahead:
            found.append((state, "ahead"))
    return found


def _times(durations: Iterable[StateDuration]) -> list[float]:
    return [each.seconds for each in durations]


def _make_row(
    state: SwitchState,
    progress: str,
    duration: StateDuration | None,
    usual: Mapping[str, float],
    longest: float,
) -> StateRow:
    seconds, usual_s = duration.seconds if duration else None, usual.get(state)
    return StateRow(
        describe_state(state),
        progress,
        seconds,
        usual_s,
        width=_write_share(seconds, longest),
        mark="" if usual_s is None else _write_share(usual_s, longest, room=MARK_WIDTH),
        took_much_longer=duration is not None and duration.took_much_longer,
    )


def _write_share(seconds: float | None, longest: float, *, room: float = 0.0) -> str:
    """A number of the drawing, with a dot in every language."""
    return f"{min((seconds or 0.0) / longest, 1.0) * (BAR_WIDTH - room):.2f}"
