"""`manage.py write_docs`: refresh the documentation's generated tables."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from gateway.documentation import GENERATED, refreshed


class Command(BaseCommand):
    help = "Rewrite the tables in docs/ that repeat what the code says: settings, errors and metrics."

    def handle(self, *args: Any, **options: Any) -> None:
        for name in GENERATED:
            path, text = refreshed(name)
            is_stale = path.read_text() != text
            path.write_text(text)
            self.stdout.write(f"{path.name}: {'rewritten' if is_stale else 'up to date'}")
