"""`manage.py index_messages`: put into the index of searches what it does not have."""

from __future__ import annotations

import contextlib
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from conversations.search.building import build_index, deferred_terms_index, ensure_terms_index
from gateway.caller_language import say_here
from gateway.wording import fill_in

REPORTED = 50_000
"""Messages from one line of progress to the next."""


class Command(BaseCommand):
    help = (
        "Put into the index of searches what it does not have: all titles and messages at first. Searches "
        "bring it up to date by themselves, some thousand messages each. Safe to interrupt and to repeat, "
        "while the gateway runs; for a daily job."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--defer-index",
            action="store_true",
            help="For a first build of many messages on PostgreSQL: faster, but searches are slow meanwhile.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        started = time.monotonic()
        accounts = messages = reported = 0
        with deferred_terms_index() if options["defer_index"] else contextlib.nullcontext():
            for done in build_index():
                messages += done.indexed
                accounts += done.is_last
                if messages - reported >= REPORTED:
                    reported = messages
                    self.stdout.write(self._progress(messages, accounts, started))
        ensure_terms_index()
        self.stdout.write(self._progress(messages, accounts, started))

    def _progress(self, messages: int, accounts: int, started: float) -> str:
        elapsed_s = time.monotonic() - started
        rate = messages / elapsed_s if elapsed_s else 0
        text: str = say_here(
            fill_in(
                "{messages} messages indexed, {accounts} accounts complete, {rate} messages a second.",
                messages=messages,
                accounts=accounts,
                rate=f"{rate:.0f}",
            )
        )
        return text
