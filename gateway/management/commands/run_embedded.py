"""`manage.py run_embedded`: the whole product on one machine with nothing else installed."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import webbrowser
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.utils.translation import gettext

from accounts.models import User
from gateway.caller_language import say_here
from gateway.checks import OWN_CHECKS
from gateway.command_errors import report_failure
from gateway.conf import GatewayConfig, get_config
from gateway.greeting import await_start, can_open_browser, describe_curl, describe_start, name_engine
from gateway.locks import lock_folder
from gateway.supervisor import Child, Supervisor, is_port_free
from gateway.wording import fill_in

SIMULATED_PROFILE = "simulated"
WEB_LOG = "web.log"
MOST_LOG_BYTES = 20_000_000
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
            raise report_failure(
                fill_in(
                    "GATEWAY_PORT: port {port} is in use. Choose another: GATEWAY_PORT=8081 make run",
                    port=port,
                )
            )
        self.stdout.write("\nvLLM Chat Gateway\n\n" + gettext("Preparing the database"))
        call_command("migrate", verbosity=0)
        # Rows that were edited stay as they are; only a broken fixture stops the start.
        call_command("load_profiles", stdout=io.StringIO())
        call_command("seed_users", stdout=self.stdout)
        starting = gettext("Starting the web process")
        if not config.vllm_base_url:
            starting = gettext("Starting the web process and the {engine}").format(engine=name_engine(config))
        self.stdout.write(starting)
        roll_over(Path(config.data_dir) / WEB_LOG)
        supervisor = Supervisor(children(config, host=host, port=port), say=self.stderr.write)
        url = f"http://{host}:{port}{config.base_path}"
        offers_browser = config.open_browser and can_open_browser()
        code = supervisor.run(
            when_started=lambda: self._greet(supervisor, config, url, offers_browser=offers_browser),
            when_entered=(lambda: open_page(f"{url}/chat/")) if offers_browser else None,
        )
        self.stdout.write("\n" + gettext("Stopped."))
        if code:
            sys.exit(code)

    def _greet(
        self, supervisor: Supervisor, config: GatewayConfig, url: str, *, offers_browser: bool
    ) -> None:
        started = await_start(url, config, is_over=lambda: supervisor.is_stopping)
        if started is None:
            return
        self.stdout.write(describe_start(started, config, log_path=Path(config.data_dir) / WEB_LOG))
        user = User.objects.filter(username="demo", is_active=True).first()
        if user is not None:
            self.stdout.write(
                "\n"
                + gettext("Or paste this to chat; its token lives for an hour:")
                + f"\n\n{describe_curl(url, user)}\n"
            )
        if offers_browser:
            self.stdout.write(say_here(fill_in("Enter opens the chat page in your browser.")))
        self.stdout.write(gettext("Ctrl-C stops everything.") + "\n")


def open_page(url: str) -> None:
    webbrowser.open(url)


def roll_over(path: Path) -> None:
    """Put a log that has grown large aside, in place of the one before."""
    if path.exists() and path.stat().st_size > MOST_LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))


def children(config: GatewayConfig, *, host: str, port: int) -> list[Child]:
    """The web process and the switcher, which starts the engine."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "gateway.settings"}
    if not config.autostart_profile and not config.vllm_base_url:
        environment["AUTOSTART_PROFILE"] = SIMULATED_PROFILE
    argv = f"manage.py run_web --host {host} --port {port} --shutdown-timeout {SHUTDOWN_S}"
    web = Child(
        "web process",
        [sys.executable, *argv.split()],
        environment,
        is_essential=True,
        log_path=Path(config.data_dir) / WEB_LOG,
    )
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
        raise report_failure(
            fill_in(
                "GATEWAY_DATA_DIR: another gateway runs on {folder}. Stop it, or choose another folder.",
                folder=folder,
            )
        )
    with lock:
        yield
