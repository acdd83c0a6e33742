"""Serving HTTP until told to stop or dead, and ending the requests in flight."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from modelops.simulator.console import ConsoleLine, Stream, print_api, print_line
from modelops.simulator.engine import SimulatedEngine
from modelops.simulator.faults import Fault
from modelops.simulator.flags import ServeSettings
from modelops.simulator.server import build_app

_BACKLOG = 2048
_KEEP_ALIVE_S = 5.0
_GOODBYE_S = 0.5
_STATS_EVERY_S = 10.0


class _AccessLogger(AbstractAccessLogger):
    """uvicorn's access line on stdout."""

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        peer = request.transport.get_extra_info("peername") if request.transport else None
        client = f"{peer[0]}:{peer[1]}" if peer else "-"
        version = f"{request.version.major}.{request.version.minor}"
        line = f'{client} - "{request.method} {request.path_qs} HTTP/{version}" {response.status}'
        print_line(ConsoleLine(f"INFO:     {line} {response.reason}"))


def _load_certificate(settings: ServeSettings) -> ssl.SSLContext | None:
    if settings.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*settings.certificate)
    return context


async def serve_until_stopped(settings: ServeSettings, sock: socket.socket, stop: asyncio.Event) -> None:
    """Listen on the bound ``sock``; return when everything has ended."""
    engine = SimulatedEngine(settings, clock=asyncio.get_running_loop().time)
    runner = web.AppRunner(
        build_app(engine),
        access_log_class=_AccessLogger,
        handle_signals=False,
        handler_cancellation=True,
        keepalive_timeout=_KEEP_ALIVE_S,
        shutdown_timeout=_GOODBYE_S,
        **({} if settings.access_log else {"access_log": None}),
    )
    await runner.setup()
    site = web.SockSite(runner, sock, backlog=_BACKLOG, ssl_context=_load_certificate(settings))
    await site.start()
    for text in ("Started server process", "Waiting for application startup", "Application startup complete"):
        suffix = f" [{os.getpid()}]" if text.startswith("Started") else "."
        print_line(ConsoleLine(f"INFO:     {text}{suffix}", stream=Stream.STDERR))
    stats = asyncio.create_task(_print_stats(engine))
    await _wait_for_end(engine, stop)
    stats.cancel()
    await site.stop()
    await _end_requests(engine)
    await runner.cleanup()


async def _wait_for_end(engine: SimulatedEngine, stop: asyncio.Event) -> None:
    """Return after a signal, or some seconds after the engine core died."""
    stopping = asyncio.create_task(stop.wait())
    dying = asyncio.create_task(engine.died.wait())
    await asyncio.wait({stopping, dying}, return_when=asyncio.FIRST_COMPLETED)
    dying.cancel()
    if engine.died.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(stopping), engine.settings.simulation.exit_s)
        stopping.cancel()


async def _end_requests(engine: SimulatedEngine) -> None:
    """Abort the running requests, or first let them finish for ``--shutdown-timeout`` seconds.

    vLLM 0.32 was seen to fall silent on open streams and to stay until their clients left; that is
    ``hang_on_sigterm``. By default the simulator cuts them and exits.
    """
    timeout_s = engine.settings.shutdown_timeout_s
    mode = "drain" if timeout_s else "abort"
    print_api("[shutdown] API server: shutdown triggered", source="launcher.py:254")
    print_api(
        f"[shutdown] API server: stopping engine client mode={mode} timeout={timeout_s}s",
        source="launcher.py:270",
    )
    if timeout_s:
        await engine.drain(timeout_s)
    if Fault.HANG_ON_SIGTERM in engine.settings.simulation.faults:
        engine.freeze()
        await engine.drain(None)
    engine.abort()
    await engine.drain(_GOODBYE_S)
    print_api("[shutdown] API server: shutting down FastAPI HTTP server", source="launcher.py:304")


async def _print_stats(engine: SimulatedEngine) -> None:
    """vLLM's line every ten seconds, while there is something to say."""
    prompt_before = generated_before = 0
    was_active = False
    while True:
        await asyncio.sleep(_STATS_EVERY_S)
        metrics, gauges = engine.metrics, engine.gauges()
        prompt, generated = (
            metrics.prompt_tokens - prompt_before,
            metrics.generation_tokens - generated_before,
        )
        prompt_before, generated_before = metrics.prompt_tokens, metrics.generation_tokens
        is_active = bool(prompt or generated or gauges.running)
        if is_active or was_active:
            print_api(
                f"Engine 000: Avg prompt throughput: {prompt / _STATS_EVERY_S:.1f} tokens/s, "
                f"Avg generation throughput: {generated / _STATS_EVERY_S:.1f} tokens/s, "
                f"Running: {gauges.running} reqs, Waiting: {gauges.waiting} reqs, "
                f"GPU KV cache usage: {gauges.kv_cache_usage * 100:.1f}%, Prefix cache hit rate: 0.0%",
                source="loggers.py:335",
            )
        was_active = is_active
