"""docs/security.md says which attack meets which defence and which test: compared with the files here."""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from gateway.conf import BASE_DIR

HERE = Path(__file__).parent
ROWS = [
    [cell.strip() for cell in line.strip("|\n").split(" | ")]
    for line in (BASE_DIR / "docs" / "security.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| ---", "| attack "))
]


def names_of_tests(path: Path) -> set[str]:
    """The names of the test functions in a file."""
    tree = ast.parse(path.read_text())
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {function.name for function in functions if function.name.startswith("test_")}


def named_tests(cell: str) -> list[tuple[Path, str]]:
    named = []
    for reference in re.findall(r"`([^`]+::[^`]+)`", cell):
        file, _, name = reference.partition("::")
        named.append((BASE_DIR / file if "/" in file else HERE / file, name))
    return named


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:40] for row in ROWS])
def test_every_defence_and_every_test_of_a_row_exists(row: list[str]) -> None:
    _attack, defence, tests = row
    modules = re.findall(r"`([\w.]+)`", defence)

    assert named_tests(tests)
    assert [path.name for path, _name in named_tests(tests) if not path.match("test_*.py")] == []
    assert [(path.name, name) for path, name in named_tests(tests) if name not in names_of_tests(path)] == []
    assert [name for name in modules if importlib.util.find_spec(name) is None] == []


def test_every_test_here_belongs_to_a_row() -> None:
    in_table = {(path.name, name) for row in ROWS for path, name in named_tests(row[2])}
    here = {(path.name, name) for path in HERE.glob("test_*.py") for name in names_of_tests(path)}

    assert here - in_table == {(Path(__file__).name, name) for name in names_of_tests(Path(__file__))}


def test_no_attack_stands_twice() -> None:
    attacks = [row[0] for row in ROWS]

    assert len(attacks) > 25
    assert sorted(set(attacks)) == sorted(attacks)
