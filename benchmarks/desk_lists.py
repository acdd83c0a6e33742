"""Opens the lists of the desk: `python -m benchmarks.desk_lists ROUNDS`. Runs with the gateway's settings."""

from __future__ import annotations

import os
import statistics
import sys
import time

import django

MOST_QUERIES = 12
MOST_MS = 300


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    from django.test import Client

    from accounts.models import User

    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.get(username="operator"))
    rounds = int(sys.argv[1])
    print("| page | queries | median ms | most ms | |\n| --- | --- | --- | --- | --- |")
    for name, path in list_pages().items():
        queries, times = measure(client, path, rounds)
        median = statistics.median(times)
        verdict = "kept" if queries <= MOST_QUERIES and median <= MOST_MS else "**missed**"
        print(f"| {name} | {queries} | {median:.0f} | {max(times):.0f} | {verdict} |")


def list_pages() -> dict[str, str]:
    """Every list of the admin, and the pages about people."""
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
        "accounts, searched": f"{users}?q=person-77",
        "messages, searched by owner": f"{pages['conversations.Message']}?q=person-77",
        "audit, filtered by actor": f"{audit}?actor=person-77",
        "audit, filtered by action": f"{audit}?action=key_revoked",
        "an account's page": reverse("admin:accounts_user_change", args=[somebody.pk]),
        "usage, 30 days": charts,
        "usage, 30 days by account": f"{charts}?by=user",
        "usage, 30 days by model": f"{charts}?by=model",
    }


def measure(client: object, path: str, rounds: int) -> tuple[int, list[float]]:
    """The number of queries, and milliseconds of each round after one that does not count."""
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    assert isinstance(client, Client)
    client.get(path)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(path)
    if answer.status_code != 200:
        raise SystemExit(f"{path} was answered {answer.status_code}")
    times = []
    for _round in range(rounds):
        begun = time.perf_counter()
        client.get(path)
        times.append(1000 * (time.perf_counter() - begun))
    return len(queries), times


if __name__ == "__main__":
    main()
