"""The life of the process: bind, start up, serve, and the exit code of each way to end."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import signal
import socket

from modelops.simulator.failures import port_in_use
from modelops.simulator.flags import ServeSettings
from modelops.simulator.startup import (
    FAILED_EXIT_CODE,
    StartupFailedError,
    act_out_startup,
    report_failure,
)

# vLLM exits 0 after a SIGTERM while serving, and also after its engine core has died.
ENDED_EXIT_CODE = 0
INTERRUPTED_EXIT_CODE = 130


def bind_socket(settings: ServeSettings) -> socket.socket:
    """Bind without listening, as vLLM does before it loads; raises OSError when the port is taken."""
    host = settings.host or ""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, settings.port))
    except OSError:
        sock.close()
        raise
    return sock


async def run_engine(settings: ServeSettings) -> int:
    """Start, serve until told to stop or dead, and return the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        with contextlib.closing(bind_socket(settings)) as sock:
            if not await _start_unless_stopped(settings, stop):
                return INTERRUPTED_EXIT_CODE
            # Imported late: the web server costs 0.3 s, which a start that fails need not pay.
            from modelops.simulator.serving import serve_until_stopped

            await serve_until_stopped(settings, sock, stop)
            return ENDED_EXIT_CODE
    except StartupFailedError:
        return FAILED_EXIT_CODE
    except OSError as exc:
        if exc.errno != errno.EADDRINUSE:
            raise
        report_failure(port_in_use())
        return FAILED_EXIT_CODE


async def _start_unless_stopped(settings: ServeSettings, stop: asyncio.Event) -> bool:
    """Whether the start went through; False when a signal interrupted it."""
    starting = asyncio.create_task(act_out_startup(settings))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        return False
    starting.result()
    return True
