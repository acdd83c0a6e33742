"""`manage.py write_profile_docs`: refresh the generated tables about profiles."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from modelops.profiles.documentation import GENERATED, refresh


class Command(BaseCommand):
    help = "Rewrite the tables of docs/profiles.md and docs/fit-verdicts.md from the code and the seed file."

    def handle(self, *args: Any, **options: Any) -> None:
        for name in GENERATED:
            path, text = refresh(name)
            is_stale = path.read_text(encoding="utf-8") != text
            path.write_text(text, encoding="utf-8")
            self.stdout.write(f"{path.name}: {name} {'rewritten' if is_stale else 'up to date'}")
