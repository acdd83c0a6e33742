"""Each public class of the product has a name of its own, so that one search finds it."""

from __future__ import annotations

import ast
from collections import defaultdict

from gateway.conf import BASE_DIR

PACKAGES = ("gateway", "accounts", "chat", "conversations", "modelops", "benchmarks")
NAMED_BY_DJANGO = frozenset({"Command", "Migration"})


def test_no_two_public_classes_share_a_name() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for package in PACKAGES:
        for path in sorted((BASE_DIR / package).rglob("*.py")):
            if {"tests", "migrations"}.isdisjoint(path.parts):
                for node in ast.parse(path.read_text()).body:
                    if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                        places[node.name].append(str(path.relative_to(BASE_DIR)))

    shared = {name: where for name, where in places.items() if len(where) > 1}

    assert {name: shared[name] for name in shared.keys() - NAMED_BY_DJANGO} == {}
    assert "Endpoint" in places
