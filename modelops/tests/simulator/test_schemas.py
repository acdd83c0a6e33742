"""Values that follow schemas, judged by `jsonschema`."""

from __future__ import annotations

import datetime
import json
import re
import uuid
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from pydantic import AnyUrl, BaseModel, Field, IPvAnyAddress, TypeAdapter

from modelops.simulator.errors import ApiError
from modelops.simulator.patterns import compose_match
from modelops.simulator.schemas import compose_json, compose_value


class Unit(StrEnum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class Place(BaseModel):
    name: Annotated[str, Field(min_length=12, max_length=40)]
    position: tuple[float, float]
    zone: Annotated[str, Field(pattern=r"^[A-Z]{3}-\d{2,4}$")]


class Weather(BaseModel):
    """A call of a tool as agents declare it."""

    place: Place
    unit: Unit = Unit.CELSIUS
    days: Annotated[int, Field(ge=3, lt=8)]
    chance: Annotated[float, Field(gt=0, lt=1)]
    at: datetime.datetime
    on: datetime.date | None = None
    reader: uuid.UUID
    page: AnyUrl
    tags: Annotated[list[str], Field(min_length=2, max_length=3)]
    limits: dict[str, int] = {}


class Node(BaseModel):
    value: int
    left: Node | None
    children: list[Node]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Annotated[int, Field(multiple_of=9)]


class Dog(BaseModel):
    kind: Literal["dog"]
    good: bool


class Shelter(BaseModel):
    pets: Annotated[list[Annotated[Cat | Dog, Field(discriminator="kind")]], Field(min_length=1)]
    address: IPvAnyAddress
    either: int | str


MODELS: list[type[BaseModel]] = [Weather, Node, Shelter]
SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"const": 7}, "b": {"enum": [None, 1]}}, "required": ["a", "b"]},
    {"type": ["null", "array"], "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "items": {"type": "integer"}, "minItems": 4, "uniqueItems": True},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "boolean"}], "items": False},
    {"type": "array", "contains": {"const": "x"}, "minItems": 2},
    {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    {"allOf": [{"properties": {"a": {"type": "string"}}, "required": ["a"]}, {"required": ["b"]}]},
    {"oneOf": [{"type": "object", "properties": {"t": {"const": 1}}, "required": ["t"]}, {"type": "null"}]},
    {"type": "number", "exclusiveMinimum": 0.1, "exclusiveMaximum": 0.2},
    {"type": "integer", "minimum": 10, "multipleOf": 7},
    {"type": "integer", "maximum": -3},
    {"type": "string", "minLength": 30},
    {"type": "string", "maxLength": 4},
    {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
    {"type": "object", "patternProperties": {"^x-": {"type": "null"}}, "minProperties": 1},
    {"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"type": "boolean"}}},
    *[
        {"type": "string", "format": name}
        for name in ("date", "date-time", "time", "email", "ipv4", "ipv6", "uuid", "uri", "hostname")
    ],
]
PATTERNS = [
    r"^\d{3}-\d{4}$",
    r"^[A-Za-z_][A-Za-z0-9_]*$",
    r"^(?:yes|no)$",
    r"^(?P<year>20\d\d)-(0[1-9]|1[0-2])$",
    r"^[^@\s]+@[^@\s]+\.[a-z]{2,}$",
    r"^#([0-9a-fA-F]{6})$",
    r"\S+\.txt$",
    r"^[가-힣]{2,4}$",
    r"^a{0}b{2}c?$",
    r"^[^a-zA-Z0-9 _-]$",
]


def find_errors(schema: dict[str, Any], value: Any) -> list[str]:
    checker = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in checker.iter_errors(value)]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_value_follows_its_schema(schema: dict[str, Any]) -> None:
    value = compose_value(schema)

    assert find_errors(schema, value) == []


@pytest.mark.parametrize("model", MODELS)
def test_a_value_is_taken_by_the_model_that_its_schema_was_made_from(model: type[BaseModel]) -> None:
    schema = model.model_json_schema()

    value = json.loads(compose_json(schema))

    assert find_errors(schema, value) == []
    assert model.model_validate(value)


def test_a_value_of_several_models_is_one_of_them() -> None:
    adapter: TypeAdapter[list[Cat | Dog]] = TypeAdapter(list[Cat | Dog])

    value = compose_value(adapter.json_schema())

    assert adapter.validate_python(value)


def test_optional_properties_are_there_too() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}

    assert compose_value(schema) == {"city": "simulated", "days": 1}


def test_a_schema_that_never_ends_is_cut() -> None:
    node = {"required": ["n"], "properties": {"n": {"$ref": "#/$defs/n"}}}

    assert "simulated" in compose_json({"$ref": "#/$defs/n", "$defs": {"n": node}})


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_text_matches_its_expression(pattern: str) -> None:
    text = compose_match(pattern)

    assert text is not None
    assert re.search(pattern, text)


@pytest.mark.parametrize("pattern", [r"(?=a)b", r"(a)\1", "(", "[z-a]", "*", r"\p{L}"])
def test_an_expression_that_is_not_understood_has_no_text(pattern: str) -> None:
    assert compose_match(pattern) is None


TREE = {"required": ["l", "r"], "properties": {"l": {"$ref": "#/$defs/n"}, "r": {"$ref": "#/$defs/n"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/n", "$defs": {"n": TREE}},
        {"type": "array", "minItems": 10**9},
        {"type": "array", "minItems": 10**3, "items": {"type": "array", "minItems": 10**3}},
        {"type": "string", "minLength": 10**12},
        {"type": "object", "minProperties": 10**9},
    ],
)
def test_a_schema_that_asks_for_too_much_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        compose_value(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": 5},
        {"properties": {"a": {"allOf": [{"properties": []}, {"properties": {}}]}}},
        {"type": "number", "minimum": "low"},
        {"type": "number", "multipleOf": 0, "minimum": None},
        {"type": "array", "minItems": "many"},
        {"type": "integer", "minimum": float("inf")},
        {"required": 7},
        {"enum": 3},
    ],
)
def test_a_schema_that_is_none_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(ApiError):
        compose_value(schema)
