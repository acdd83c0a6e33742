"""Opens the lists of the desk: `python -m benchmarks.desk_lists ROUNDS POSTGRES_PID`.

Runs with the gateway's settings.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import django

from benchmarks.process_usage import read_cpu_s

if TYPE_CHECKING:
    from django.test import Client

MOST_QUERIES = 12
MOST_MS = 300


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    from django.test import Client

    from accounts.models import User

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="operator"))
    rounds, postgres_pid = map(int, sys.argv[1:])
    print("| page | queries | CPU ms | of them PostgreSQL's | clock, median ms | |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, path in list_pages().items():
        took = measure(client, path, rounds, postgres_pid)
        verdict = "kept" if took.queries <= MOST_QUERIES and took.cpu_ms <= MOST_MS else "**missed**"
        figures = f"{took.cpu_ms:.0f} | {took.postgres_ms:.0f} | {took.clock_ms:.0f}"
        print(f"| {name} | {took.queries} | {figures} | {verdict} |", flush=True)


def list_pages() -> dict[str, str]:
    """Every list of the admin, the front page and the pages about people."""
    from django.contrib import admin
    from django.urls import reverse

    from accounts.models import User

    admin.autodiscover()
    pages = {}
    for model in sorted(admin.site._registry, key=lambda model: model._meta.label):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        pages[str(model._meta.label)] = reverse(name)
    users, audit = pages["accounts.User"], pages["accounts.AuditEvent"]
    somebody = User.objects.get(username="person-77")
    charts = reverse("admin:accounts_dailyusage_charts")
    return pages | {
        "the desk's front page": reverse("admin:index"),
        "accounts, searched": f"{users}?q=person-77",
        "messages, searched by owner": f"{pages['conversations.Message']}?q=person-77",
        "audit, filtered by actor": f"{audit}?actor=person-77",
        "audit, filtered by action": f"{audit}?action=key_revoked",
        "an account's page": reverse("admin:accounts_user_change", args=[somebody.pk]),
        "usage, 30 days": charts,
        "usage, 30 days by account": f"{charts}?by=user",
        "usage, 30 days by model": f"{charts}?by=model",
    }


@dataclass(frozen=True)
class Took:
    """What one look at a page cost."""

    queries: int
    cpu_ms: float
    """Of this process and of PostgreSQL, in the mean: what it takes where nobody else is on the machine."""
    postgres_ms: float
    clock_ms: float


def measure(client: Client, path: str, rounds: int, postgres_pid: int) -> Took:
    """A round before those that count fills caches, one more counts the statements."""
    from django.db import connection

    statements = []

    def note(execute: Any, sql: str, *arguments: Any) -> Any:
        statements.append(sql)
        return execute(sql, *arguments)

    client.get(path)
    with connection.execute_wrapper(note):
        answer = client.get(path)
    if answer.status_code != 200:
        raise SystemExit(f"{path} was answered {answer.status_code}")
    clock = []
    own, postgres = time.process_time(), read_cpu_s(postgres_pid)
    for _round in range(rounds):
        began = time.perf_counter()
        client.get(path)
        clock.append(1000 * (time.perf_counter() - began))
    own_ms = 1000 * (time.process_time() - own) / rounds
    postgres_ms = 1000 * (read_cpu_s(postgres_pid) - postgres) / rounds
    return Took(len(statements), own_ms + postgres_ms, postgres_ms, statistics.median(clock))


if __name__ == "__main__":
    main()
