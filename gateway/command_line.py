"""The command line in the language of the terminal: `LC_ALL`, `LC_MESSAGES`, then `LANG`, as on all of Unix.

Django leaves the language of commands as settings.LANGUAGE_CODE, and takes it away only from its own that
write files. What serves others stays English: its output is a log.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import get_version
from django.apps import apps
from django.conf import settings
from django.core.management import ManagementUtility, get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.utils import translation

from gateway.version import VERSION

OWN_APPS = ("gateway", "accounts", "conversations", "modelops")
SERVICES = frozenset({"run_switcher", "run_web", "runserver", "sample_hardware"})
UNTRANSLATED = SERVICES | {"createsuperuser", "write_docs", "write_profile_docs"}
"""Their `--help` is Django's, or for those who work on the gateway itself."""
LOCALE_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")


VERSION_REQUESTS = (["--version"], ["version"])
VERSION_LINE = f"vllm-chat-gateway {VERSION} (Django {get_version()})"


class GatewayCommandLine(ManagementUtility):
    """Django's, which tells our version, and speaks the terminal's language once it knows the command."""

    def execute(self) -> None:
        """See ManagementUtility. The version is told without settings, which may be what is wrong."""
        if self.argv[1:] in VERSION_REQUESTS:
            sys.stdout.write(f"{VERSION_LINE}\n")
            return
        super().execute()

    def fetch_command(self, subcommand: str) -> BaseCommand:
        command = super().fetch_command(subcommand)
        command.get_version = lambda: VERSION_LINE  # type: ignore[method-assign]  # of this one command
        if apps.ready and subcommand not in SERVICES:
            translation.activate(find_terminal_language(os.environ))
            if type(command).__module__.partition(".")[0] in OWN_APPS:
                translate_help(command)
        return command


def find_terminal_language(environment: Mapping[str, str]) -> str:
    """One of settings.LANGUAGES; English where the locale is another, `C` or not set."""
    name = next(filter(None, (environment.get(each) for each in LOCALE_VARIABLES)), "")
    tag = name.partition(".")[0].partition("@")[0].replace("_", "-").lower()
    try:
        return translation.get_supported_language_variant(tag) if tag else settings.LANGUAGE_CODE
    except LookupError:
        return settings.LANGUAGE_CODE


def translate_help(command: BaseCommand) -> None:
    """Have `--help` speak the active language."""
    create_parser = command.create_parser

    def create_translated(*args: Any, **options: Any) -> Any:
        parser = create_parser(*args, **options)
        for each in _list_helped(parser):
            each.replace()
        return parser

    command.create_parser = create_translated  # type: ignore[method-assign]  # of this one command


@dataclass(frozen=True)
class _Helped:
    """A text of a parser: its description, or what one of its options does."""

    owner: Any
    attribute: str

    @property
    def text(self) -> str:
        return str(getattr(self.owner, self.attribute) or "")

    def replace(self) -> None:
        setattr(self.owner, self.attribute, translation.gettext(self.text) if self.text else None)


def _list_helped(parser: ArgumentParser) -> Iterator[_Helped]:
    yield _Helped(parser, "description")
    for group in parser._action_groups[2:]:
        yield _Helped(group, "title")
    for action in parser._actions:
        yield _Helped(action, "help")


def list_help_texts() -> Iterator[tuple[str, str]]:
    """Each text of our commands' `--help`, with the module that has it; Django's own are left out."""
    own = {text.text for text in _list_helped(BaseCommand().create_parser("manage.py", "none"))}
    for name, app in sorted(get_commands().items()):
        if app in OWN_APPS and name not in UNTRANSLATED:
            command = load_command_class(app, name)
            for each in _list_helped(command.create_parser("manage.py", name)):
                if each.text and each.text not in own:
                    yield each.text, f"{app}/management/commands/{name}.py"
