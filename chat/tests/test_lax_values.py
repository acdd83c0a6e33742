"""Numbers and booleans are read as pydantic reads them, which is what the engine does."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from chat.lax_values import LARGEST_NUMBER, read_boolean, read_whole_number

WHOLE = TypeAdapter(int)
BOOLEAN = TypeAdapter(bool)

NUMBERS: list[Any] = [
    *(512, 512.0, 512.5, -0.0, 2.0**53, 9.3e18, 1e300, float("inf"), float("nan"), True, False),
    *("512", "512.0", "512.00", " 512 ", "5\n", "\v5", "+512", "-1", "0512", "00", "1_000", "1_0.0"),
    *("512.", ".0", "512.5", "1e3", "0x10", "--1", "- 5", "+", "", "1__0", "_1", "1_", "\u0661", "５", "5\0"),
    *(None, [], [1], {}, {"a": 1}),
]

BOOLEANS: list[Any] = [
    *(True, False, 0, 1, 2, 0.0, 1.0, 1.5, None, [], {}),
    *("true", "True", "tRuE", "t", "yes", "y", "on", "1", "false", "f", "no", "n", "off", "0"),
    *("", " true", "2", "maybe"),
]


def as_pydantic(adapter: TypeAdapter[Any], value: object) -> Any:
    try:
        return adapter.validate_python(value)
    except ValidationError:
        return None


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_whole_number_is_what_pydantic_takes_it_for(value: object) -> None:
    number = read_whole_number(value)

    assert number == as_pydantic(WHOLE, value)
    assert type(number) is not bool


@pytest.mark.parametrize("value", BOOLEANS, ids=repr)
def test_boolean_is_what_pydantic_takes_it_for(value: object) -> None:
    assert read_boolean(value) is as_pydantic(BOOLEAN, value)


def test_endless_digits_are_no_number() -> None:
    assert read_whole_number("9" * 5000) is None
    assert read_whole_number("0" * 5000 + "1") is None
    assert read_whole_number(str(LARGEST_NUMBER)) == LARGEST_NUMBER
