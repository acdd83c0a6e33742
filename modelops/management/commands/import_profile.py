"""`manage.py import_profile FILE`: profiles from how somebody else starts or reaches vLLM."""

from __future__ import annotations

import json
import logging
import os
import sys
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DatabaseError, transaction

from gateway.audit import record_change
from gateway.command_errors import BAD_INPUT, refuse_input, report_failure, to_command_error
from gateway.env import ConfigurationError
from gateway.errors import GatewayError
from gateway.wording import fill_in
from modelops.domain.profiles.imports.imported_profile import ImportedProfile
from modelops.fit.gpu_choice import GpuChoice
from modelops.management.commands.check_fit import EXIT_CODES
from modelops.management.hardware_options import add_hardware_options, choose_gpus
from modelops.management.import_report import EntryReport, render_entry, serialise_entry
from modelops.profiles.adding import propose_imported, save_proposal
from modelops.profiles.hub import RepositoryFacts, fetch_facts_with_draft, read_hub_settings
from modelops.profiles.importing import SourceEntry, import_entry, read_source
from modelops.profiles.seed_yaml import write_document


class Command(BaseCommand):
    help = (
        "Read a vllm serve line, a docker run, a compose file, a configuration of llama-swap or LiteLLM, or "
        "vLLM's own --config file; say line by line what a profile takes of it and what not; judge how it "
        "fits, and store it disabled. Nothing of the text is run. Exit code as of check_fit; 2 where nothing "
        "could be taken over, 1 when the database does not answer."
    )
    requires_system_checks: list[str] = []  # --dry-run must work before there is a database

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("file", nargs="?", help="The file; - reads standard input.")
        source.add_argument("--command", metavar="TEXT", dest="text", help="The text itself.")
        choice = parser.add_mutually_exclusive_group()
        choice.add_argument(
            "--entry", action="append", metavar="NAME", help="Which of several entries; may be repeated."
        )
        choice.add_argument("--all", action="store_true", dest="takes_all", help="Every entry there is.")
        parser.add_argument(
            "--repository",
            default="",
            metavar="OWNER/NAME",
            help="The model's repository, where the text names a folder or a name of the engine's own.",
        )
        parser.add_argument("--slug", help="Name of the profile; made from the entry's without this.")
        parser.add_argument("--no-hub", action="store_true", help="Ask the hub nothing of the model.")
        add_hardware_options(parser)
        parser.add_argument("--dry-run", action="store_true", help="Print the profiles and store nothing.")
        parser.add_argument("--json", action="store_true", help="Print JSON instead of YAML.")

    def handle(self, *args: Any, **options: Any) -> None:
        # The library's own retries are warnings on stdout, where the answer is.
        logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
        choice = choose_gpus(options)
        try:
            entries = _choose_entries(
                read_source(_read_text(options), repository=options["repository"]), options
            )
            reports = [_Import(options, choice).run(entry) for entry in entries]
        except GatewayError as exc:
            raise to_command_error(exc) from exc
        self._print(reports, choice, options)
        verdicts = [each.proposed.assessment.report.verdict for each in reports if each.proposed]
        if code := max((EXIT_CODES[verdict] for verdict in verdicts), default=BAD_INPUT):
            sys.exit(code)

    def _print(self, reports: Sequence[EntryReport], choice: GpuChoice, options: Mapping[str, Any]) -> None:
        """Profiles alone on stdout, so that they can be kept; what there is to say goes to stderr."""
        if options["json"]:
            content = {"entries": [serialise_entry(each, choice) for each in reports]}
            self.stdout.write(json.dumps(content, indent=2, ensure_ascii=False))
            return
        for each in reports:
            self.stderr.write(render_entry(each, choice), str)
        profiles = [each.proposed.exported for each in reports if each.proposed]
        if profiles:
            self.stdout.write(write_document({"profiles": profiles}), ending="")


@dataclass(frozen=True)
class _Import:
    """Takes entries over one by one; what is wrong with one says nothing about the next."""

    options: Mapping[str, Any]
    choice: GpuChoice

    def run(self, entry: SourceEntry) -> EntryReport:
        if entry.refusal is not None:
            return EntryReport(entry, refusal=entry.refusal.wording)
        try:
            imported = import_entry(entry, repository=self.options["repository"])
        except GatewayError as exc:
            return EntryReport(entry, refusal=exc.wording)
        facts, warning = self._fetch_facts(imported)
        try:
            proposed = propose_imported(imported, facts, self.choice, slug=self.options["slug"])
            if not self.options["dry_run"]:
                with transaction.atomic():
                    record_change("modelprofile_created", save_proposal(proposed), request=None)
        except GatewayError as exc:
            return EntryReport(entry, imported, refusal=exc.wording, warning=warning)
        except DatabaseError as exc:
            text = fill_in(
                "the profile cannot be stored (run manage.py migrate, or use --dry-run): {problem}",
                problem=exc,
            )
            raise report_failure(text) from exc
        return EntryReport(entry, imported, proposed, warning=warning, is_saved=not self.options["dry_run"])

    def _fetch_facts(self, imported: ImportedProfile) -> tuple[RepositoryFacts | None, str]:
        """The model's facts, or why the hub does not tell them: settings are of use without them, too."""
        if self.options["no_hub"]:
            return None, ""
        try:
            settings = read_hub_settings(os.environ)
            facts = fetch_facts_with_draft(
                imported.repository,
                imported.draft_repository,
                revision=imported.revision,
                settings=settings,
            )
            return facts, ""
        except ConfigurationError as exc:
            raise refuse_input(str(exc)) from exc
        except GatewayError as exc:
            return None, exc.wording


def _read_text(options: Mapping[str, Any]) -> str:
    """Raises CommandError."""
    path = options["file"]
    if path is None:
        return str(options["text"])
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else fill_in("it is not UTF-8")
        raise refuse_input(fill_in("{value} cannot be read: {reason}", value=path, reason=reason)) from exc


def _choose_entries(entries: list[SourceEntry], options: Mapping[str, Any]) -> list[SourceEntry]:
    """Those that were named, or all, or the only one that can be taken over. Raises CommandError."""
    names = ", ".join(entry.name for entry in entries)
    chosen = entries
    if options["entry"]:
        by_name = {entry.name: entry for entry in entries}
        if unknown := [name for name in options["entry"] if name not in by_name]:
            text = fill_in("there is no entry {name}; there are: {names}", name=repr(unknown[0]), names=names)
            raise refuse_input(text)
        chosen = [by_name[name] for name in options["entry"]]
    elif not options["takes_all"] and len(entries) > 1:
        usable = [entry for entry in entries if entry.refusal is None]
        if len(usable) > 1:
            text = fill_in(
                "there are several entries: choose some with --entry, or --all: {names}", names=names
            )
            raise refuse_input(text)
        chosen = usable or entries
    if len(chosen) > 1 and (options["slug"] or options["repository"]):
        raise refuse_input(fill_in("--slug and --repository are for one entry: choose it with --entry"))
    return chosen
