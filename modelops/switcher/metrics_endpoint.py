"""The switcher's own HTTP endpoint, for Prometheus: /metrics, and its engines' below /engines."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

from gateway.scrape_values import PROXY_HEADERS, is_in_networks

log = structlog.get_logger()

CLIENT_TIMEOUT_S = 10.0
"""For a request and for taking its answer."""

Pages = Mapping[str, Callable[[], bytes]]


class MetricsEndpoint:
    """Serves `pages`, by their paths, to METRICS_NETWORKS; connections from elsewhere are closed."""

    def __init__(self, pages: Pages, *, host: str, port: int, networks: tuple[str, ...]) -> None:
        self._pages = pages
        self._address = host, port
        self._networks = networks
        self._server: _Server | None = None
        self._has_complained = False

    @property
    def port(self) -> int | None:
        """Where it listens; None while it does not."""
        return self._server.server_port if self._server is not None else None

    def open(self) -> None:
        """Listen, unless it does or port 0 says that it should not.

        A port that is in use, as by the switcher that this one replaces, is tried again with the next call.
        """
        if self._server is not None or not self._address[1]:
            return
        try:
            self._server = _Server(self._address, _make_handler(self._pages), self._networks)
        except OSError as exc:
            if not self._has_complained:
                log.warning("metrics_port_not_opened", port=self._address[1], error=str(exc))
            self._has_complained = True
            return
        threading.Thread(target=self._server.serve, name="metrics", daemon=True).start()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], networks: tuple[str, ...]
    ) -> None:
        self._networks = networks
        self._is_closed = False
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def serve(self) -> None:
        """Until it is closed; `serve_forever` would wake up twice a second to see whether it is."""
        while not self._is_closed:
            self.handle_request()

    def close(self) -> None:
        self._is_closed = True
        self.socket.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for a connection
        self.server_close()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        return is_in_networks(client_address[0], self._networks)

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.warning("metrics_request_failed", exc_info=True)


def _make_handler(pages: Pages) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_TIMEOUT_S

        def do_GET(self) -> None:
            write = pages.get(self.path.partition("?")[0])
            if write is None or any(header in self.headers for header in PROXY_HEADERS):
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            body = write()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", CONTENT_TYPE_LATEST)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Asked every few seconds: not logged."""

    return Handler
