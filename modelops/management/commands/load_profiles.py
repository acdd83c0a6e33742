"""`manage.py load_profiles`: make the profiles in the database what a YAML file says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway.caller_language import say_here
from gateway.command_errors import refuse_input
from gateway.wording import fill_in, join_texts
from modelops.profiles.reloading import PROFILES_PATH, reload_profiles
from modelops.profiles.seed_result import Changes, SeedResult


class Command(BaseCommand):
    help = (
        "Load model profiles and hardware profiles. All or nothing: with any mistake in the file nothing "
        "changes and the exit code is 2. Rows that were changed by hand are kept, unless --force."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("path", nargs="?", type=Path, default=PROFILES_PATH, metavar="PATH")
        parser.add_argument("--force", action="store_true", help="overwrite rows that were changed by hand")
        parser.add_argument("--dry-run", action="store_true", help="say what would change, change nothing")
        parser.add_argument("--json", action="store_true", dest="as_json", help="write the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        result = reload_profiles(options["path"], force=options["force"], dry_run=options["dry_run"])
        if options["as_json"]:
            self.stdout.write(json.dumps(result.serialise(), ensure_ascii=False, indent=2))
        elif result.is_valid:
            for line in _describe(result):
                self.stdout.write(line)
        if not result.is_valid:
            mistakes = join_texts(
                "\n", [fill_in("  {mistake}", mistake=each.wording) for each in result.invalid]
            )
            raise refuse_input(
                fill_in(
                    "{path} was not loaded, nothing was changed:\n{mistakes}",
                    path=options["path"],
                    mistakes=mistakes,
                )
            )


def _describe(result: SeedResult) -> Iterator[str]:
    if result.is_dry_run:
        yield say_here(fill_in("Dry run: nothing was changed."))
    for title, changes in (
        (fill_in("profiles"), result.profiles),
        (fill_in("hardware profiles"), result.hardware_profiles),
    ):
        yield say_here(fill_in("{title}:", title=title))
        yield from _describe_changes(changes)


def _describe_changes(changes: Changes) -> Iterator[str]:
    for label, slugs in (
        (fill_in("created"), changes.created),
        (fill_in("updated"), changes.updated),
        (fill_in("unchanged"), changes.unchanged),
        (fill_in("not in the file any more"), changes.missing),
    ):
        if slugs:
            yield say_here(fill_in("  {label}: {slugs}", label=label, slugs=", ".join(slugs)))
    for drift in changes.drifted:
        yield say_here(
            fill_in(
                "  changed by hand, kept: {slug} ({fields})", slug=drift.slug, fields=", ".join(drift.fields)
            )
        )
