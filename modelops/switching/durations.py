"""How long each state of a switch took, beside what earlier switches to the same profile took."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from modelops.domain.switching.states import SwitchState
from modelops.models import Switch
from modelops.switching.selectors import count_state_seconds

COMPARED_SWITCHES = 20
"""Of those that succeeded, the last ones before."""
MUCH_LONGER = 2.0
LEAST_DIFFERENCE_S = 3.0
"""Below that nobody cares how many times as long it took."""


@dataclass(frozen=True)
class StateDuration:
    """`usual_s` is the median of earlier switches; None where none of them had this state."""

    state: SwitchState
    seconds: float
    usual_s: float | None

    @property
    def took_much_longer(self) -> bool:
        usual_s = self.usual_s
        if usual_s is None or self.seconds - usual_s < LEAST_DIFFERENCE_S:
            return False
        return self.seconds >= usual_s * MUCH_LONGER


@dataclass(frozen=True)
class UsualDurations:
    """Medians of the seconds in each state, over `count` switches."""

    seconds: dict[str, float]
    count: int


def list_durations(switch: Switch, now: datetime) -> tuple[list[StateDuration], UsualDurations]:
    """The states that the switch went through, in their order, the running one up to `now`. One query."""
    usual = find_usual_durations(switch)
    spent = count_state_seconds(switch, now)
    durations = [
        StateDuration(SwitchState(state), seconds, usual.seconds.get(state))
        for state, seconds in spent.items()
    ]
    return durations, usual


def find_usual_durations(switch: Switch) -> UsualDurations:
    """Of the last switches to the same profile that succeeded before this one."""
    earlier = (
        Switch.objects.filter(to_profile=switch.to_profile, state=SwitchState.ACTIVE, pk__lt=switch.pk)
        .order_by("-pk")
        .values_list("state_seconds", flat=True)[:COMPARED_SWITCHES]
    )
    by_state: dict[str, list[float]] = defaultdict(list)
    for spent in earlier:
        for state, seconds in spent.items():
            by_state[state].append(float(seconds))
    return UsualDurations({state: median(values) for state, values in by_state.items()}, len(earlier))
