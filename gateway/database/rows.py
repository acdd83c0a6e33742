"""Many rows of one model in one statement, generated from the model's own columns.

On PostgreSQL the rows are one JSON document, the only parameter of its statement: cheaper on both sides than
arrays for `unnest` and than `executemany` (docs/adr/0003). On SQLite they are rows for `executemany`.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import msgspec
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Field, Model

_encoder = msgspec.json.Encoder()


def is_postgresql() -> bool:
    return connection.vendor == "postgresql"


def prepared_cursor() -> CursorWrapper:
    """A cursor whose statements PostgreSQL keeps prepared: the text of each must not depend on its values."""
    if is_postgresql():
        return cast("CursorWrapper", cast("Any", connection).prepared_cursor())
    return connection.cursor()


def encode_rows(rows: object) -> str:
    """The parameter for a statement that reads its rows by `Rows.recordset`."""
    return _encoder.encode(rows).decode()


def from_ids(table: str, alias: str) -> str:
    """The FROM item for those rows of `table` whose ids are in the one parameter, which `id_list` makes.

    `LATERAL … LIMIT 1` is a look into the index for each, even in a plan from when the table was empty. The
    ids are JSON here as well: for an array, PostgreSQL thinks a plan for each length worth its making.
    """
    if is_postgresql():
        found = join(table, alias, "CAST(wanted.id AS uuid)")
        return f"json_array_elements_text(%s::json) AS wanted(id) {found}"
    return f"json_each(%s) AS wanted {join(table, alias, 'wanted.value')}"


def join(table: str, alias: str, id_: str) -> str:
    """The JOIN with the row of `table` that has this id, an expression of what stands before it."""
    if is_postgresql():
        one = f"SELECT * FROM {table} WHERE id = {id_} LIMIT 1"  # noqa: S608 - our own names
        return f"CROSS JOIN LATERAL ({one}) AS {alias}"
    return f"JOIN {table} AS {alias} ON {alias}.id = {id_}"


def octets(text: str) -> str:
    """The bytes of a text. PostgreSQL knows those of one kept out of line without reading it."""
    return f"OCTET_LENGTH({text})" if is_postgresql() else f"LENGTH(CAST({text} AS BLOB))"


def id_list(ids: Iterable[uuid.UUID]) -> str:
    return encode_rows([id_.hex for id_ in ids])


def is_few(key: str) -> str:
    """A condition that always holds, from which PostgreSQL concludes that `new` has one row instead of 100.

    For 100 it reads a table of thousands of rows from its beginning to its end; so it looks into the index.
    """
    return f"COALESCE(new.{key}, new.{key}) = new.{key}"


class Rows:
    """Rows of `model` as instances of the dataclass `row_class`, whose fields are named as columns.

    `key` is the field that holds the primary key. Columns that an insert is not given get their field's
    default, which must be a plain value.
    """

    def __init__(self, model: type[Model], row_class: type[Any], *, key: str = "id") -> None:
        self._model = model
        self._key = key
        self._names = [field.name for field in dataclasses.fields(row_class)]
        self._updates: dict[object, str] = {}

    @cached_property
    def table(self) -> str:
        return connection.ops.quote_name(self._model._meta.db_table)

    @cached_property
    def _fields(self) -> dict[str, Field[Any, Any]]:
        meta = self._model._meta
        return {
            name: cast("Field[Any, Any]", meta.pk if name == self._key else meta.get_field(name))
            for name in self._names
        }

    @cached_property
    def _defaults(self) -> dict[str, str]:
        """Of the columns that an insert is not given: literals in SQL."""
        given = {field.column for field in self._fields.values()}
        return {
            str(field.column): _literal(field)
            for field in self._model._meta.concrete_fields
            if field.column not in given and not field.generated
        }

    def recordset(self, document: str) -> str:
        """PostgreSQL's FROM item `new` for the rows in `document`, an expression of type json.

        To be joined with a table, it needs the condition `is_few`.
        """
        columns = ", ".join(f'"{name}" {_type_of(field)}' for name, field in self._fields.items())
        return f"json_to_recordset({document}) AS new({columns})"

    def insert_select(self, document: str) -> str:
        """PostgreSQL's INSERT of the rows in `document`, without a WHERE: they are called `new`."""
        given = [f"new.{_quote(name)}" for name in self._names]
        source = self.recordset(document)
        values = ", ".join([*given, *self._defaults.values()])
        return f"INSERT INTO {self.table} ({self._inserted}) SELECT {values} FROM {source}"  # noqa: S608

    def insert_values(self) -> str:
        """An INSERT for `executemany` with `values_of`."""
        values = ["%s"] * len(self._names) + [*self._defaults.values()]
        return f"INSERT INTO {self.table} ({self._inserted}) VALUES ({', '.join(values)})"  # noqa: S608

    @property
    def _inserted(self) -> str:
        return ", ".join(
            _quote(str(column)) for column in [*(f.column for f in self._fields.values()), *self._defaults]
        )

    def update(
        self,
        rows: Sequence[Any],
        *,
        where: str,
        same: Sequence[str] = (),
        constants: Mapping[str, str] | None = None,
    ) -> int:
        """Set all columns of each row but those of `same`, and `constants`, literals in SQL.

        Only where the row as it is `stored` meets the condition `where` and has the given values of `same`.
        All of it happens, or nothing. Returns how many rows were changed.
        """
        names = [name for name in self._names if name != self._key and name not in same]
        asked = (where, tuple(same), tuple((constants or {}).items()))
        if (statement := self._updates.get(asked)) is None:
            statement = self._updates[asked] = self._update_of(names, where, same, constants or {})
        if is_postgresql():
            with prepared_cursor() as cursor:
                cursor.execute(statement, [encode_rows(rows)])
                return int(cursor.rowcount)
        with transaction.atomic(), prepared_cursor() as cursor:
            cursor.executemany(statement, [self.values_of(row, [*names, self._key, *same]) for row in rows])
            return int(cursor.rowcount)

    def _update_of(
        self, names: Sequence[str], where: str, same: Sequence[str], constants: Mapping[str, str]
    ) -> str:
        value = "new.{}" if is_postgresql() else "%s"
        sets = [f"{_quote(name)} = {value.format(_quote(name))}" for name in names]
        sets += [f"{_quote(name)} = {literal}" for name, literal in constants.items()]
        is_same = [f"stored.{_quote(name)} = {value.format(_quote(name))}" for name in same]
        update = f"UPDATE {self.table} AS stored SET {', '.join(sets)}"  # noqa: S608
        if not is_postgresql():
            return f"{update} WHERE {' AND '.join([f'stored.{self._pk} = %s', f'({where})', *is_same])}"
        # Within CASE, the condition is no way to find rows by: PostgreSQL looks for the ids.
        key = _quote(self._key)
        condition = " AND ".join([f"({where})", *is_same])
        return (
            f"{update} FROM {self.recordset('%s::json')} WHERE stored.{self._pk} = new.{key} "
            f"AND {is_few(key)} AND CASE WHEN new.{key} IS NOT NULL THEN {condition} END"
        )

    @cached_property
    def _pk(self) -> str:
        return _quote(str(self._model._meta.pk.column))

    def values_of(self, row: Any, names: Iterable[str] | None = None) -> list[Any]:
        """The row as parameters of `insert_values`, or of a statement about these columns in this order."""
        return [
            self._fields[name].get_db_prep_save(getattr(row, name), connection)
            for name in (self._names if names is None else names)
        ]


def _quote(name: str) -> str:
    return connection.ops.quote_name(name)


def _type_of(field: Field[Any, Any]) -> str:
    """The column's type without its length: a text that is too long is refused by the column, not cut."""
    return str(field.db_type(connection)).partition("(")[0]


def _literal(field: Field[Any, Any]) -> str:
    """The field's default in SQL. Raises TypeError for one that is no plain value."""
    if field.has_default() and callable(field.default):
        raise TypeError(f"{field} needs a value in each row: its default is computed")
    match field.get_default():
        case None:
            return "NULL"
        case bool(value):
            return "TRUE" if value else "FALSE"
        case int(value):
            return str(value)
        case str(value) if not {"'", "%", "\\"} & set(value):
            return f"'{value}'"
        case other:
            raise TypeError(f"{field} has a default that is no plain value: {other!r}")
