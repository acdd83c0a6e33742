"""A zip for whoever is asked for help: what the doctor found, settings, switches, logs and versions.

It holds nobody's messages: no conversation is read, and lines of engines that may quote a request are left
out. Secrets are redacted by what they look like and by what they are; names of accounts, unless asked for.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.utils import timezone

from gateway.doctor import bundle_logs, bundle_rows, bundle_settings
from gateway.doctor.bundle_redaction import BundleRedactor
from gateway.doctor.checkup import Checkup
from gateway.doctor.findings import FindingKind

READ_ME = """Support bundle of vLLM Chat Gateway {version}, made {at}.

{sections}

Not in it: conversations, messages, files, passwords, keys and tokens. Names of accounts: {names}.
Lines of engines that may quote a request are replaced by a mark. Look it over before you send it.
"""


@dataclass(frozen=True)
class BundleContext:
    """What is written down, and how much of it."""

    checkup: Checkup
    with_names: bool


@dataclass(frozen=True)
class BundleSection:
    """One file, or with a name that ends with a slash several. `collect` answers JSON values or text."""

    name: str
    about: str
    collect: Callable[[BundleContext], Any]
    needs_database: bool = True


SECTIONS = (
    BundleSection(
        "doctor.json", "what manage.py doctor found", lambda c: c.checkup.to_json(), needs_database=False
    ),
    BundleSection(
        "versions.json",
        "versions of the gateway, Python and libraries",
        lambda _c: bundle_settings.list_versions(),
        needs_database=False,
    ),
    BundleSection(
        "settings.json",
        "settings that are not at their default",
        lambda c: bundle_settings.list_settings(c.checkup.place.config),
        needs_database=False,
    ),
    BundleSection("migrations.json", "migrations", lambda _c: bundle_rows.list_migrations()),
    BundleSection(
        "counts.json",
        "rows in each table, of PostgreSQL by its statistics",
        lambda _c: bundle_rows.count_rows(),
    ),
    BundleSection(
        "switches.json",
        "the last switches, with causes and times",
        lambda c: bundle_rows.list_switches(with_names=c.with_names),
    ),
    BundleSection(
        "events.json",
        "what happened in them",
        lambda c: bundle_rows.list_events(with_names=c.with_names),
    ),
    BundleSection("slots.json", "slots as they are", lambda _c: bundle_rows.list_slots()),
    BundleSection("engines.json", "the last engines", lambda _c: bundle_rows.list_engines()),
    BundleSection("hardware.json", "the GPUs as read last", lambda _c: bundle_rows.list_hardware()),
    BundleSection(
        "engines/", "the last log lines of the last engines", lambda _c: bundle_logs.read_engine_logs()
    ),
    BundleSection(
        "logs/",
        "warnings and errors of our own processes, as far as they can be read from here",
        lambda c: bundle_logs.read_own_logs(c.checkup.place),
        needs_database=False,
    ),
)


def write_bundle(target: Path, checkup: Checkup, *, with_names: bool) -> None:
    """Write the zip to a new file, for its owner only. What cannot be collected is named in its place.

    Raises FileExistsError and other OSErrors.
    """
    context = BundleContext(checkup, with_names)
    has_database = not any(
        each.id == "database" and each.verdict in (FindingKind.PROBLEM, FindingKind.UNKNOWN)
        for each in checkup.findings
    )
    redactor = BundleRedactor.build(checkup.place.config, with_names=with_names, has_database=has_database)
    handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", _introduce(checkup, with_names=with_names))
        for section in SECTIONS:
            for name, content in _collect(section, context, has_database=has_database):
                archive.writestr(name, redactor.clean_content(content))


def _introduce(checkup: Checkup, *, with_names: bool) -> str:
    sections = "\n".join(f"{section.name:<16} {section.about}" for section in SECTIONS)
    return READ_ME.format(
        version=checkup.to_json()["version"],
        at=timezone.now().isoformat(timespec="seconds"),
        sections=sections,
        names="yes, by --with-names" if with_names else "no",
    )


def _collect(
    section: BundleSection, context: BundleContext, *, has_database: bool
) -> Iterator[tuple[str, Any]]:
    """Files with their content. One that cannot be collected costs no other."""
    missing = f"{section.name.rstrip('/')}.missing.txt"
    if section.needs_database and not has_database:
        yield missing, "The database did not answer."
        return
    try:
        content = section.collect(context)
    except Exception as exc:  # whatever it is, the rest is worth having
        yield missing, f"{type(exc).__name__}: {exc}"
        return
    if section.name.endswith("/"):
        files: Mapping[str, str] = content
        for name, text in files.items():
            yield f"{section.name}{name}", text
    else:
        yield section.name, content
