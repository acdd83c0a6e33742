"""A test's fixtures say on which stores it runs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from gateway.tests.parts import Part, choose_sample, find_parts, read_plan, write_plan

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

CASES_OF_TESTS = """
import pytest

@pytest.fixture
def stores(): ...
@pytest.fixture
def db(): ...

@pytest.mark.parametrize("number", range(100))
def test_of_processes(stores, number): ...
@pytest.mark.parametrize("number", range(100))
def test_of_rows(db, number): ...
@pytest.mark.parametrize("number", range(2))
def test_of_few_rows(db, number): ...
def test_without_cases(db): ...
@pytest.mark.services
@pytest.mark.parametrize("number", range(100))
def test_on_services(stores, number): ...
@pytest.mark.parametrize("number", range(100))
def test_of_nothing(number): ...
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
        "docker": {Part.DOCKER},
        "browser": {Part.BROWSER},
        "vllm": set(),
    }


def test_sample_has_every_case_on_a_store_and_every_test_of_rows_on_both(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    items = pytester.getitems(CASES_OF_TESTS)
    embedded, services = (
        [item.name for item in choose_sample([i for i in items if part in find_parts(i)], part)]
        for part in (Part.EMBEDDED, Part.SERVICES)
    )

    assert set(embedded) | set(services) == {item.name for item in items}
    assert {name for name in set(embedded) & set(services) if "processes" in name} == set()
    counts = Counter(name.partition("[")[0] for name in embedded)
    assert 25 < counts.pop("test_of_processes") < 75
    assert counts == {
        "test_of_rows": 100,
        "test_of_few_rows": 2,
        "test_without_cases": 1,
        "test_of_nothing": 100,
    }
    counts = Counter(name.partition("[")[0] for name in services)
    assert 10 < counts["test_of_rows"] < 45
    assert counts["test_of_few_rows"] in {1, 2}
    assert (counts["test_without_cases"], counts["test_on_services"]) == (1, 100)


def test_plan_names_the_files_of_each_part(items: list[pytest.Item], tmp_path: Path) -> None:
    write_plan(tmp_path / "plan", items, items[0].config.rootpath)

    file = [items[0].path.name]
    assert read_plan(tmp_path / "plan") == dict.fromkeys(Part, file)
