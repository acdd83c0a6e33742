"""`manage.py run_web`: the web process, as production runs it."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import socket
import sys
from argparse import ArgumentParser
from types import FrameType
from typing import Any

import uvicorn
from django.core.management.base import BaseCommand
from uvicorn.supervisors import ChangeReload

from gateway.conf import BASE_DIR, get_config
from gateway.server_protocol import GatewayHttpProtocol, find_addresses
from gateway.supervisor import end_with_parent
from gateway.web_processes import WebProcesses, shared_metrics

START_FAILED = 3
PACKAGES = ("gateway", "accounts", "conversations", "chat", "modelops")
WS_MAX_BYTES = 4096
HUNG_S = 30
"""A process whose interpreter does nothing for that long is replaced."""
KEEP_ALIVE_S = 75
"""How long a connection without a request is kept: longer than nginx (60 s) and SDKs keep theirs, as a
request that meets the close of the other side is lost."""


class ServerConfig(uvicorn.Config):
    """uvicorn's, whose processes end when the one that started them does, however that happens."""

    unserved_addresses: frozenset[str] = frozenset()
    """Of this machine: whoever connects to one of them is not listened to."""

    def load(self) -> None:
        # In each process, just before it serves: a container's addresses are new at each start.
        self.unserved_addresses = find_addresses(get_config().unserved_addresses)
        if multiprocessing.parent_process() is not None:
            end_with_parent()
        super().load()


class Server(uvicorn.Server):
    """uvicorn's, which looks whether it is to end when it is told so, instead of ten times a second."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """See uvicorn.Server."""
        self._loop = asyncio.get_running_loop()
        self._told_to_exit = asyncio.Event()
        looks = 0
        while not await self.on_tick(looks):
            looks += 10  # at every tenth of its own looks, uvicorn renews the date of its headers
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_exit.wait(), 1)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn.Server: called by a signal, whatever the loop is doing."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._told_to_exit.set)


class Command(BaseCommand):
    help = (
        "Serve the gateway with uvicorn. At SIGTERM it takes no new requests, and running answers get "
        "SHUTDOWN_TIMEOUT seconds to finish. WEB_CONCURRENCY sets the number of processes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default 127.0.0.1).")
        parser.add_argument("--port", type=int, help="Port to listen on (default GATEWAY_PORT, 8080).")
        parser.add_argument(
            "--reload",
            action="store_true",
            help="Start anew whenever a source file changes; for development.",
        )
        parser.add_argument(
            "--shutdown-timeout",
            type=int,
            help="Seconds for running answers at the end; overrides the setting.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config()
        shutdown_timeout_s = options["shutdown_timeout"]
        server_config = ServerConfig(
            "gateway.asgi:application",
            host=options["host"],
            port=options["port"] or config.port,
            workers=config.web_concurrency,
            timeout_worker_healthcheck=HUNG_S,
            reload=options["reload"],
            # Not the project folder: it holds virtual environments and data.
            reload_dirs=[str(BASE_DIR / name) for name in PACKAGES] if options["reload"] else None,
            loop="uvloop",
            http=GatewayHttpProtocol,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            # The peer's address is the peer's: whoever trusts a proxy's word for it says so explicitly.
            proxy_headers=False,
            # Nobody is listened to on a WebSocket: uvicorn's own bound is 16 MiB a message.
            ws_max_size=WS_MAX_BYTES,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=(
                int(config.shutdown_timeout_s) if shutdown_timeout_s is None else shutdown_timeout_s
            ),
        )
        serve(server_config, stuck_reader_timeout_s=config.send_timeout_s)


def serve(server_config: uvicorn.Config, *, stuck_reader_timeout_s: float) -> None:
    """Run uvicorn on a socket whose connections end when their reader takes nothing for that long.

    The gateway stops sending to such a reader by itself, but uvicorn would keep the connection and its
    buffer until the peer closes. The kernel ends both (TCP_USER_TIMEOUT, Linux, also for a zero window).
    """
    server = Server(server_config)
    with server_config.bind_socket() as listener:
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(stuck_reader_timeout_s * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        if server_config.should_reload:
            ChangeReload(server_config, target=server.run, sockets=[listener]).run()
            return
        if server_config.workers > 1:
            with shared_metrics():
                processes = WebProcesses(server_config, sockets=[listener])
                processes.run()
            if processes.have_failed:
                sys.exit(START_FAILED)
            return
        server.run(sockets=[listener])
    if not server.started:
        sys.exit(START_FAILED)
