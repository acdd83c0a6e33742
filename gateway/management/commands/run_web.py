"""`manage.py run_web`: the web process, as production runs it."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from typing import Any

import uvicorn
from django.core.management.base import BaseCommand

from gateway.conf import BASE_DIR, get_config


class Command(BaseCommand):
    help = (
        "Serve the gateway with uvicorn. At SIGTERM it takes no new requests, and running answers get "
        "SHUTDOWN_TIMEOUT seconds to finish. WEB_CONCURRENCY sets the number of processes."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default 127.0.0.1).")
        parser.add_argument("--port", type=int, help="Port to listen on (default GATEWAY_PORT, 8080).")
        parser.add_argument(
            "--shutdown-timeout",
            type=int,
            help="Seconds for running answers at the end; overrides the setting.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config()
        shutdown_timeout_s = options["shutdown_timeout"]
        uvicorn.run(
            "gateway.asgi:application",
            host=options["host"],
            port=options["port"] or config.port,
            workers=int(os.environ.get("WEB_CONCURRENCY", "1")),
            app_dir=str(BASE_DIR),
            loop="uvloop",
            http="httptools",
            log_config=None,
            access_log=False,
            server_header=False,
            # The peer's address is the peer's: whoever trusts a proxy's word for it says so explicitly.
            proxy_headers=False,
            timeout_graceful_shutdown=(
                int(config.shutdown_timeout_s) if shutdown_timeout_s is None else shutdown_timeout_s
            ),
        )
