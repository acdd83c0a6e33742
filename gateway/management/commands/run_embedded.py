"""`manage.py run_embedded`: the whole product on one machine with nothing else installed."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.tokens import issue_passing_token
from gateway.checks import OWN_CHECKS
from gateway.conf import GatewayConfig, get_config
from gateway.locks import lock_folder
from gateway.supervisor import Child, Supervisor, is_port_free

SIMULATED_PROFILE = "simulated"
READY_TIMEOUT_S = 30.0
ENGINE_PATIENCE_S = 8.0
PRINTED_TOKEN_LIFE = timedelta(hours=1)
SHUTDOWN_S = 3
"""Time that running answers get at Ctrl-C: the whole must end within five seconds."""


class Command(BaseCommand):
    help = (
        "Migrate, seed profiles and the users admin and demo, then run the web process and the switcher, "
        "which starts the simulated engine unless VLLM_BASE_URL is set. Ctrl-C ends everything."
    )
    # All of them would import all pages; the web process, which needs those, checks itself.
    requires_system_checks = (OWN_CHECKS,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="Address to listen on (default 127.0.0.1).")
        parser.add_argument("--port", type=int, help="Port to listen on (default GATEWAY_PORT, 8080).")

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config()
        with sole_user_of(Path(config.data_dir)):
            self._run(config, host=options["host"], port=options["port"] or config.port)

    def _run(self, config: GatewayConfig, *, host: str, port: int) -> None:
        if not is_port_free(host, port):
            raise CommandError(
                f"GATEWAY_PORT: port {port} is in use. Choose another: GATEWAY_PORT=8081 make run"
            )
        call_command("migrate", verbosity=0)
        # Rows that were edited stay as they are; only a broken fixture stops the start.
        call_command("load_profiles", stdout=io.StringIO())
        self.stdout.write("\nvLLM Chat Gateway")
        call_command("seed_users", stdout=self.stdout)
        supervisor = Supervisor(children(config, host=host, port=port), say=self.stderr.write)
        code = supervisor.run(when_started=lambda: self._greet(supervisor, config, f"http://{host}:{port}"))
        self.stdout.write("\nStopped.")
        if code:
            sys.exit(code)

    def _greet(self, supervisor: Supervisor, config: GatewayConfig, url: str) -> None:
        engine_status = _wait_until_ready(supervisor, url)
        if engine_status is None:
            return
        engine = config.vllm_base_url or "simulated (set VLLM_BASE_URL to use a real vLLM)"
        if engine_status != "ready":
            engine += f"   NOT READY YET ({engine_status}): chats are refused until it answers"
        self.stdout.write(
            f"  url    {url}   admin pages: {url}/admin/\n"
            f"  engine {engine}\n"
            f"  data   {Path(config.data_dir).resolve()}\n"
        )
        user = User.objects.filter(username="demo", is_active=True).first()
        if user is not None:
            self.stdout.write(f"Paste this to chat; its token lives for an hour:\n\n{_curl(url, user)}\n")
        self.stdout.write("Ctrl-C stops everything.\n")


def children(config: GatewayConfig, *, host: str, port: int) -> list[Child]:
    """The web process and the switcher, which starts the engine."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "gateway.settings"}
    if not config.autostart_profile and not config.vllm_base_url:
        environment["AUTOSTART_PROFILE"] = SIMULATED_PROFILE
    argv = f"manage.py run_web --host {host} --port {port} --shutdown-timeout {SHUTDOWN_S}"
    web = Child("web process", [sys.executable, *argv.split()], environment, is_essential=True)
    switcher = Child(
        "switcher",
        [sys.executable, "manage.py", "run_switcher", "--end-engines"],
        environment,
        is_essential=False,
        log_path=Path(config.data_dir) / "switcher.log",
    )
    return [switcher, web]


@contextlib.contextmanager
def sole_user_of(folder: Path) -> Iterator[None]:
    """Hold the data folder: a second embedded gateway would take this one's running answers for orphans."""
    lock = lock_folder(folder, "gateway.lock")
    if lock is None:
        raise CommandError(
            f"GATEWAY_DATA_DIR: another gateway runs on {folder}. Stop it, or choose another folder."
        )
    with lock:
        yield


def _wait_until_ready(supervisor: Supervisor, url: str) -> str | None:
    """The engine's status when it is ready or has had its time; None when a signal came first."""
    started = time.monotonic()
    status = "the web process does not answer"
    while not supervisor.is_stopping:
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):
            status = _ask_for_status(url)
        patience_s = READY_TIMEOUT_S if status.startswith("the web") else ENGINE_PATIENCE_S
        if status == "ready" or time.monotonic() - started > patience_s:
            return status
        time.sleep(0.1)
    return None


def _ask_for_status(url: str) -> str:
    """The engine's, of /health. By the standard library: each call of httpx would cost 0.16 s of CPU."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=2.0)
    with contextlib.closing(connection):
        connection.request("GET", "/health")
        return str(json.loads(connection.getresponse().read())["services"]["vllm"]["status"])


def _curl(url: str, user: User) -> str:
    token = issue_passing_token(user, life=PRINTED_TOKEN_LIFE)
    body = '{"content": "Hello! What are you?", "stream": true}'
    return f"curl -N {url}/api/chat -H 'Authorization: Bearer {token}' -d '{body}'"
