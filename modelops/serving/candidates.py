"""Finds out whether this web process reaches an engine before requests are sent to it.

The switcher sees an engine from where it runs, which may be another machine, container or network.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from modelops.domain.switching.states import SwitchState
from modelops.serving.board import BoardSnapshot
from modelops.serving.engine_client import EngineClient, EngineError
from modelops.serving.live import LiveBoard

RETRY_S = 0.3


class CandidateWatch:
    """Asks each engine that is being verified until it answers. Everything runs on the event loop."""

    def __init__(self, board: LiveBoard) -> None:
        self._wanted: dict[str, tuple[str, str]] = {}
        """Address and health path by engine id."""
        self._reached: dict[str, str] = {}
        self._has_news = asyncio.Event()
        board.subscribe(self._follow)

    @property
    def reached(self) -> dict[str, str]:
        """As `WebPresence.reached`: only engines that were asked."""
        return {engine: self._reached[engine] for engine in self._wanted if engine in self._reached}

    async def watch(self, *, on_change: Callable[[], None]) -> None:
        """Ask for ever; `on_change` is called whenever `reached` has changed."""
        while True:
            await self._has_news.wait()
            self._has_news.clear()
            while unreached := {e: where for e, where in self._wanted.items() if self._reached.get(e) != ""}:
                for engine, where in unreached.items():
                    problem = await _ask(*where)
                    if self._reached.get(engine) != problem:
                        self._reached[engine] = problem
                        on_change()
                if any(self._reached.get(engine) != "" for engine in self._wanted):
                    await asyncio.sleep(RETRY_S)

    def _follow(self, snapshot: BoardSnapshot) -> None:
        wanted = {
            str(switch.engine_id): (switch.engine_url, switch.health_path)
            for slot in snapshot.slots
            for switch in slot.switches
            if switch.state is SwitchState.VERIFYING and switch.engine_url
        }
        if wanted == self._wanted:
            return
        # One that is verified once more, after a sleep say, is asked anew.
        self._reached = {engine: said for engine, said in self._reached.items() if engine in wanted}
        self._wanted = wanted
        self._has_news.set()


async def _ask(base_url: str, health_path: str) -> str:
    """Why the engine is not reached; empty if it is."""
    client = EngineClient(base_url)
    try:
        await client.check_health(health_path)
    except EngineError as exc:
        return str(exc)
    finally:
        await client.close()
    return ""
