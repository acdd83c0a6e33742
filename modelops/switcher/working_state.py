"""What a slot's reconciler keeps in memory between two ticks. A new switcher observes all of it anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelops.domain.switching.states import Check
from modelops.runtimes.base import Instance
from modelops.switcher.draining import WebProcessWatch
from modelops.switcher.watching import EngineLogWatch
from modelops.switcher.web_reach import WebReach


@dataclass
class WorkingState:
    watches: dict[str, EngineLogWatch] = field(default_factory=dict)
    verified: dict[str, Check] = field(default_factory=dict)
    prefetched: Check = Check.PENDING
    instances: dict[str, Instance] = field(default_factory=dict)
    cards: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    starting_replicas: set[str] = field(default_factory=set)
    """The names of followers whose start was not seen to succeed yet."""
    web_reach: WebReach = field(default_factory=WebReach)
    web_processes: WebProcessWatch = field(default_factory=WebProcessWatch)

    def forget_switch(self) -> None:
        """Drop what was observed for the switch before."""
        self.prefetched = Check.PENDING
        self.verified.clear()
        self.web_reach = WebReach()

    def forget_engine(self, name: str) -> None:
        """Drop what was observed of an engine that has ended, saving the rest of its log."""
        self.verified.pop(name, None)
        self.instances.pop(name, None)
        self.cards.pop(name, None)
        self.web_reach.forget(name)
        if (watch := self.read_log(name)) is not None:
            del self.watches[name]
            watch.save()
            watch.close()

    def read_log(self, name: str) -> EngineLogWatch | None:
        """The engine's log watch, if there is one, read up to now: a failure's cause is in the last lines."""
        if (watch := self.watches.get(name)) is not None:
            watch.read()
        return watch

    def save(self) -> None:
        for watch in self.watches.values():
            watch.save()

    def close(self) -> None:
        """Stop following logs. The next switcher reads again what was not saved."""
        for watch in self.watches.values():
            watch.close()
