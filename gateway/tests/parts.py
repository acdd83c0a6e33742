"""Which tests belong to which part of the suite: decided by the fixtures that they use."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import pytest

DATABASE_FIXTURES = frozenset({"db", "transactional_db"})
STORE_FIXTURES = DATABASE_FIXTURES | {"stores"}
"""Whoever uses one of them, himself or by other fixtures, touches what a run is on."""


class Part(StrEnum):
    """A part of the suite, which is a pytest of its own."""

    EMBEDDED = "embedded"
    SERVICES = "services"
    BROWSER = "browser"
    DOCKER = "docker"

    @property
    def place(self) -> str:
        return {
            Part.EMBEDDED: "on the embedded defaults: SQLite, in-process state",
            Part.SERVICES: "on PostgreSQL + Redis",
            Part.BROWSER: "with a browser",
            Part.DOCKER: "with a Docker engine",
        }[self]


def find_parts(item: pytest.Item) -> frozenset[Part]:
    """Where this test runs. A test that touches no store runs once."""
    marks = {mark.name for mark in item.iter_markers()}
    if not marks.isdisjoint({"vllm", "clients", "ray"}):  # suites of their own
        return frozenset()
    for part in (Part.DOCKER, Part.BROWSER, Part.SERVICES):
        if part in marks:
            return frozenset({part})
    touches_stores = uses_database(item) or STORE_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    return frozenset({Part.EMBEDDED, Part.SERVICES} if touches_stores else {Part.EMBEDDED})


def uses_database(item: pytest.Item) -> bool:
    """In the process of the tests."""
    fixtures = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or not DATABASE_FIXTURES.isdisjoint(fixtures)


def choose_sample(items: Iterable[pytest.Item], part: Part) -> list[pytest.Item]:
    """What of a part runs while somebody works: little of what runs on both stores is done twice.

    A test whose stores only other processes use runs on one of the two. A test that uses the database in this
    process has all of its cases on SQLite, on services the first and a quarter of the others. Which ones is
    decided by their names, so that it is the same everywhere. What runs in one part is never left out.
    """
    kept, known = [], set()
    for item in items:
        test = (item.path, getattr(item, "originalname", item.name))
        number = zlib.crc32(f"{item.path.name} {item.name}".encode())
        if len(find_parts(item)) == 1:
            is_kept = True
        elif not uses_database(item):
            is_kept = (number % 2 == 0) == (part is Part.EMBEDDED)
        else:
            is_kept = part is Part.EMBEDDED or test not in known or number % 4 == 0
        if is_kept:
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
