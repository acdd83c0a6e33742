"""`manage.py init_env`: the file with the settings and secrets that docker-compose.yml asks for."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from django.core.management.base import BaseCommand

from gateway import new_env
from gateway.command_errors import report_failure


class Command(BaseCommand):
    help = (
        "Write what docker-compose.yml asks for to .env: good secrets, the group of Docker's socket, the "
        "address to listen on, and whether there are GPUs. What the file has already stays as it is."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        new_env.add_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lines = new_env.init_env(Namespace(**options), new_env.look_at_machine())
        except new_env.EnvUnwritable as exc:
            raise report_failure(str(exc)) from exc
        for line in lines:
            self.stdout.write(line)
