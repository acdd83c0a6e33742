"""A test's fixtures say on which stores it runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gateway.tests.parts import Part, find_parts, leave_out_repetitions, read_plan, write_plan

pytest_plugins = ["pytester"]

CASES = """
import pytest

@pytest.fixture
def stores(): ...

@pytest.fixture
def of_a_store(stores): ...

@pytest.fixture
def rows(db): ...

def test_nothing(): ...
def test_embedded(tmp_path): ...
def test_store(stores): ...
def test_store_below(of_a_store): ...
def test_rows(rows): ...
@pytest.mark.django_db
def test_marked(): ...
@pytest.mark.services
def test_services(stores): ...
@pytest.mark.docker
def test_docker(stores): ...
@pytest.mark.browser
def test_browser(): ...
@pytest.mark.vllm
@pytest.mark.docker
def test_vllm(stores): ...
"""

CASES_OF_A_TEST = """
import pytest

@pytest.fixture
def stores(): ...

@pytest.mark.parametrize("number", range(100))
def test_on_both(stores, number): ...
@pytest.mark.services
@pytest.mark.parametrize("number", range(100))
def test_on_services(stores, number): ...
@pytest.mark.parametrize("number", range(2))
def test_of_few_cases(stores, number): ...
def test_without_cases(stores): ...
"""


INI = """
[pytest]
asyncio_default_fixture_loop_scope = function
markers =
    services
    docker
    browser
    vllm
    django_db
"""


@pytest.fixture
def items(pytester: pytest.Pytester) -> list[pytest.Item]:
    pytester.makeini(INI)
    return pytester.getitems(CASES)


def test_what_touches_a_store_runs_on_both_and_all_else_once(items: list[pytest.Item]) -> None:
    found = {item.name.removeprefix("test_"): set(find_parts(item)) for item in items}

    both = {Part.EMBEDDED, Part.SERVICES}
    assert found == {
        "nothing": {Part.EMBEDDED},
        "embedded": {Part.EMBEDDED},
        "store": both,
        "store_below": both,
        "rows": both,
        "marked": both,
        "services": {Part.SERVICES},
        "docker": {Part.MACHINE},
        "browser": {Part.MACHINE},
        "vllm": set(),
    }


def test_no_test_is_left_out_on_services_but_many_of_the_cases_that_run_on_sqlite_too(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeini(INI)
    items = pytester.getitems(CASES_OF_A_TEST)

    kept = leave_out_repetitions(items)

    counts = Counter(item.name.partition("[")[0] for item in kept)
    assert set(counts) == {"test_on_both", "test_on_services", "test_of_few_cases", "test_without_cases"}
    assert counts["test_on_services"] == 100
    assert 10 < counts["test_on_both"] < 40
    assert kept == [item for item in items if item in kept]


def test_plan_names_the_files_of_each_part(items: list[pytest.Item], tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", items, items[0].config.rootpath)

    file = [items[0].path.name]
    assert read_plan(tmp_path / "plan") == dict.fromkeys(Part, file)
