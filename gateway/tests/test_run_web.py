"""What `run_web` adds to uvicorn."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from django.core.management import call_command

from gateway.conf import BASE_DIR
from gateway.management.commands import run_web
from gateway.management.commands.run_web import PACKAGES
from gateway.tests.databases import Stores, own_database
from gateway.tests.live import wait_until
from modelops.simulator.process import find_free_port

FLOODING = """
import asyncio, sys, uvicorn
from gateway.management.commands.run_web import serve

async def flood(send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})

async def app(scope, receive, send):
    flooding = asyncio.create_task(flood(send))
    while (await receive())["type"] != "http.disconnect":
        pass
    flooding.cancel()
    print("reader gone", flush=True)

config = uvicorn.Config(app, port=int(sys.argv[1]), lifespan="off", log_config=None)
serve(config, stuck_reader_timeout_s=0.5)
"""
"""An application without a time-out of its own: what it sends is the server's to get rid of."""


@contextlib.contextmanager
def start_flooding(log_path: Path) -> Iterator[int]:
    """The port of a running server."""
    port = find_free_port()
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", FLOODING, str(port)], cwd=BASE_DIR, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: is_open(port), timeout_s=30, what="the server to listen")
        yield port
    finally:
        process.kill()
        process.wait()


def is_open(port: int) -> bool:
    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def test_connection_of_a_reader_that_never_reads_is_ended(tmp_path: Path) -> None:
    log_path = tmp_path / "server.log"
    with start_flooding(log_path) as port, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(("127.0.0.1", port))

        reader.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

        wait_until(lambda: "reader gone" in log_path.read_text(), timeout_s=20, what="the reader to be left")


def test_reload_starts_anew_when_a_source_file_changes(
    embedded_stores: Stores, tmp_path: Path, simulator: str
) -> None:
    """On a copy of the sources, as no file of the project may be touched while tests run."""
    sources = tmp_path / "sources"
    ignored = shutil.ignore_patterns("tests", "__pycache__")
    for name in PACKAGES:
        shutil.copytree(BASE_DIR / name, sources / name, ignore=ignored)
    shutil.copytree(BASE_DIR / "templates", sources / "templates")
    shutil.copy(BASE_DIR / "manage.py", sources)
    (tmp_path / "data").mkdir()
    port = find_free_port()
    argv = [sys.executable, "manage.py", "run_web", "--port", str(port), "--reload"]
    with own_database(embedded_stores, tmp_path / "data") as settings, (tmp_path / "log").open("wb") as log:
        environment = settings | {"VLLM_BASE_URL": simulator, "PROBE_RATE": "0/m"}
        environment["DJANGO_SETTINGS_MODULE"] = "gateway.settings"  # the sources are without tests
        process = subprocess.Popen(argv, cwd=sources, env=environment, stdout=log, stderr=log)
        try:
            wait_until(lambda: name_at(port) == "vLLM Chat Gateway", timeout_s=150, what="the gateway")

            changed = sources / "gateway" / "settings.py"
            changed.write_text(changed.read_text().replace("vLLM Chat Gateway", "Changed Gateway"))

            wait_until(
                lambda: name_at(port) == "Changed Gateway", timeout_s=150, what="the change to be served"
            )
        finally:
            process.terminate()
            process.wait(30)


def name_at(port: int) -> str | None:
    try:
        return str(httpx.get(f"http://127.0.0.1:{port}/").json()["name"])
    except httpx.HTTPError:
        return None


def test_idle_connections_are_kept_longer_than_by_the_proxies_and_clients_at_the_other_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configured: list[uvicorn.Config] = []
    monkeypatch.setattr(run_web, "serve", lambda config, **_options: configured.append(config))

    call_command("run_web")

    nginx_keepalive_timeout_s = 60
    assert configured[0].timeout_keep_alive > nginx_keepalive_timeout_s
