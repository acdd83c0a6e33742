"""Which tests belong to which part of the suite: decided by the fixtures that they use."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import pytest

STORE_FIXTURES = frozenset({"db", "transactional_db", "stores"})
"""Whoever uses one of them, himself or by other fixtures, touches what a run is on."""


class Part(StrEnum):
    """A part of the suite, which is a pytest of its own."""

    EMBEDDED = "embedded"
    SERVICES = "services"
    MACHINE = "machine"

    @property
    def place(self) -> str:
        return {
            Part.EMBEDDED: "on the embedded defaults: SQLite, in-process state",
            Part.SERVICES: "on PostgreSQL + Redis",
            Part.MACHINE: "with a Docker engine, and with a browser",
        }[self]


def find_parts(item: pytest.Item) -> frozenset[Part]:
    """Where this test runs. A test that touches no store runs once."""
    marks = {mark.name for mark in item.iter_markers()}
    if "vllm" in marks:
        return frozenset()
    if marks & {"docker", "browser"}:
        return frozenset({Part.MACHINE})
    if "services" in marks:
        return frozenset({Part.SERVICES})
    touches_stores = "django_db" in marks or STORE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    return frozenset({Part.EMBEDDED, Part.SERVICES} if touches_stores else {Part.EMBEDDED})


def leave_out_repetitions(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """What of the part on services runs while somebody works.

    That is every test, but of one whose cases run on SQLite as well only the first case and a quarter of the
    others. Which ones follows from their names, so that it is the same everywhere and every day.
    """
    kept, known = [], set()
    for item in items:
        test = (item.path, getattr(item, "originalname", item.name))
        if test not in known or len(find_parts(item)) == 1 or zlib.crc32(item.name.encode()) % 4 == 0:
            kept.append(item)
        known.add(test)
    return kept


def write_plan(path: Path, items: Iterable[pytest.Item], root: Path) -> None:
    """The files of each part's tests, relative to `root`; there at once or not at all."""
    files: dict[Part, set[str]] = {part: set() for part in Part}
    for item in items:
        for part in find_parts(item):
            files[part].add(str(item.path.relative_to(root)))
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps({part: sorted(found) for part, found in files.items()}))
    draft.replace(path)


def read_plan(path: Path) -> dict[Part, list[str]]:
    return {Part(part): files for part, files in json.loads(path.read_text()).items()}
