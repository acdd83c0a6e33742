"""What the keeper of a slot remembers between two looks; a new switcher finds it out again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from modelops.domain.switching.states import Check
from modelops.runtimes.base import Instance
from modelops.switcher.draining import WebProcessWatch
from modelops.switcher.watching import EngineLogWatch


@dataclass
class WorkingState:
    watches: dict[str, EngineLogWatch] = field(default_factory=dict)
    verified: dict[str, Check] = field(default_factory=dict)
    prefetched: Check = Check.PENDING
    instances: dict[str, Instance] = field(default_factory=dict)
    cards: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    web_processes: WebProcessWatch = field(default_factory=WebProcessWatch)

    def forget_switch(self) -> None:
        """Another switch begins."""
        self.prefetched = Check.PENDING
        self.verified.clear()

    def forget_engine(self, name: str) -> None:
        """It is no more."""
        self.verified.pop(name, None)
        self.instances.pop(name, None)
        self.cards.pop(name, None)
        if (watch := self.read_log(name)) is not None:
            del self.watches[name]
            watch.save()
            watch.close()

    def read_log(self, name: str) -> EngineLogWatch | None:
        """The engine's watch, if there is one, up to what it has said by now: its last words count most."""
        if (watch := self.watches.get(name)) is not None:
            watch.read()
        return watch

    def save(self) -> None:
        for watch in self.watches.values():
            watch.save()

    def close(self) -> None:
        """Follow no log any more; what was not saved is read again by whoever comes next."""
        for watch in self.watches.values():
            watch.close()
