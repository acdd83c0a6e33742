"""An engine or a hub that answers with a redirect leads nobody inside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from chat.upstream import EngineCall, EngineGateway
from gateway.errors import GatewayError, UpstreamUnavailable
from modelops.profiles.hub import HubSettings, fetch_facts
from modelops.serving.engine_client import EngineClient, EngineError

TOKEN = "hf_canary_token_0123456789"


@dataclass
class Server:
    """Answers 302 to `location`, or JSON where it has none; remembers who asked with which headers."""

    url: str = ""
    location: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def start_server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.asked.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(302 if server.location else 200)
            if server.location:
                self.send_header("Location", server.location + self.path)
            self.send_header("Content-Length", "2")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(b"{}")

        do_POST = do_HEAD = do_GET

        def log_message(self, *arguments: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server = Server(f"http://127.0.0.1:{listener.server_port}")
    thread = threading.Thread(target=listener.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        thread.join()
        listener.server_close()


@pytest.fixture
def inner() -> Iterator[Server]:
    """What nobody should be led to."""
    with start_server() as server:
        yield server


@pytest.fixture
def redirecting(inner: Server) -> Iterator[Server]:
    with start_server() as server:
        # Another name of the same machine: a redirect to another host.
        server.location = inner.url.replace("127.0.0.1", "localhost")
        yield server


async def test_completion_does_not_follow_the_engine_elsewhere(redirecting: Server, inner: Server) -> None:
    engine = EngineGateway(connect_timeout_s=5)
    try:
        with pytest.raises(UpstreamUnavailable):
            async with engine.open(
                redirecting.url, EngineCall("/v1/completions", b"{}"), api_key="engine-key"
            ):
                pass
    finally:
        await engine.close()

    assert len(redirecting.asked) == 1
    assert inner.asked == []


async def test_question_about_models_does_not_follow_the_engine_elsewhere(
    redirecting: Server, inner: Server
) -> None:
    client = EngineClient(redirecting.url, api_key="engine-key")
    try:
        with pytest.raises(EngineError):
            await client.list_models()
    finally:
        await client.close()

    assert inner.asked == []


def test_token_for_the_hub_is_not_told_to_whom_the_hub_leads(
    redirecting: Server, inner: Server, tmp_path: Path
) -> None:
    """A hub may lead to where its files lie; what opens the hub is not for there."""
    settings = HubSettings(endpoint=redirecting.url, token=TOKEN, cache_dir=tmp_path, timeout_s=5)

    with pytest.raises((GatewayError, httpx.HTTPError)):
        fetch_facts("maker/model", settings=settings)

    assert redirecting.asked[0]["authorization"] == f"Bearer {TOKEN}"
    assert [headers for headers in inner.asked if TOKEN in str(headers)] == []
