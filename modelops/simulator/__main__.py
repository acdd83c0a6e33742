"""``python -m modelops.simulator serve MODEL --port 8000``."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

from modelops.simulator.flags import parse_command_line
from modelops.simulator.lifecycle import run_engine


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def main(argv: list[str]) -> int:
    """Parse the command line, simulate the engine and return the exit code."""
    settings = parse_command_line(argv)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(run_engine(settings))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
