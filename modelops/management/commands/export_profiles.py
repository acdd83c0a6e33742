"""`manage.py export_profiles`: write profiles as YAML that `load_profiles` reads back."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway.command_errors import to_command_error
from gateway.errors import ModelNotFound
from modelops.fit.profile_fits import get_profile
from modelops.profiles.seeding import export_profiles, list_exports


class Command(BaseCommand):
    help = "Write profiles as YAML: those named, else all of them and the hardware profiles."
    requires_system_checks: list[str] = []  # they would import all pages

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG")
        parser.add_argument("--json", action="store_true", dest="as_json", help="write JSON instead")

    def handle(self, *args: Any, **options: Any) -> None:
        slugs = options["slugs"] or None
        try:
            for slug in slugs or ():
                get_profile(slug)
        except ModelNotFound as exc:
            raise to_command_error(exc) from exc
        if options["as_json"]:
            self.stdout.write(json.dumps(list_exports(slugs), ensure_ascii=False, indent=2))
        else:
            self.stdout.write(export_profiles(slugs), ending="")
