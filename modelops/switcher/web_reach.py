"""Whether the web processes reach an engine, by what they say themselves."""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now

from gateway.wording import fill_in
from modelops.domain.engine_log.causes import Cause, RootCause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.switching.states import Check
from modelops.models import Engine, WebPresence

REACH_TIMEOUT_S = 10.0
"""They see in a moment that an engine is being verified, and an attempt takes three seconds at most."""
HEARD_WITHIN = timedelta(seconds=6)
"""Three of their heartbeats: whoever was not heard of for longer is not waited for."""


class WebReach:
    """Asks for one engine after another, from the moment that the switcher itself found it good."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def look(self, engine: Engine, now: float) -> tuple[Check, RootCause | None]:
        """PASSED once every web process reaches it, or none runs; FAILED, with the cause, when one still does
        not when the time is over. One that says nothing, as it hangs, fails no switch.

        At seconds of a clock that never goes back.
        """
        answers = _read_answers(str(engine.pk))
        if all(problem == "" for _, problem in answers):
            return Check.PASSED, None
        if now - self._since.setdefault(engine.name, now) < REACH_TIMEOUT_S:
            return Check.PENDING, None
        for web, problem in answers:
            if problem:
                error = fill_in("{url} from {web}: {problem}", url=engine.base_url, web=web, problem=problem)
                return Check.FAILED, describe_cause(Cause.UNREACHABLE_FROM_WEB, error=error)
        return Check.PASSED, None

    def forget(self, name: str) -> None:
        self._since.pop(name, None)

    def is_waiting(self, name: str) -> bool:
        return name in self._since


def _read_answers(engine: str) -> list[tuple[str, str | None]]:
    """Each web process with what it says of the engine; None for nothing yet."""
    rows = WebPresence.objects.filter(seen_at__gte=Now() - HEARD_WITHIN, reached__isnull=False)
    return [
        (fill_in("web process {pid} on {host}", pid=pid, host=host), (reached or {}).get(engine))
        for host, pid, reached in rows.values_list("host", "pid", "reached")
    ]
