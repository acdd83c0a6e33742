"""Rows of a table as lines of JSON, the same for every database, and back."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

import msgspec
from django.core.management.color import no_style
from django.db import connection
from django.db.models import Field, Model

from gateway.backups.schema import stored_fields
from gateway.database.rows import is_postgresql

CHUNK_ROWS = 500
"""That are in memory at a time."""
DIGEST_BYTES = 32
SUM_LIMIT: int = 2 ** (8 * DIGEST_BYTES)
_encoder = msgspec.json.Encoder()
_canonical = msgspec.json.Encoder(order="deterministic")


class TableDigest:
    """How many rows a table has, and a number that says whether they are the same in another database.

    It is the sum of the rows' SHA-256, as databases sort texts in orders of their own. Keys of JSON are
    sorted, as PostgreSQL does not keep their order.
    """

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, row: Sequence[Any]) -> None:
        self.rows += 1
        self._sum += int.from_bytes(hashlib.sha256(_canonical.encode(row)).digest())

    def __str__(self) -> str:
        return (self._sum % SUM_LIMIT).to_bytes(DIGEST_BYTES).hex()


def read_rows(model: type[Model]) -> Iterator[Sequence[Any]]:
    """The rows as Python's values, some at a time."""
    columns = [field.attname for field in stored_fields(model)]
    rows = model._base_manager.order_by("pk").values_list(*columns)
    return cast("Iterator[Sequence[Any]]", rows.iterator(chunk_size=CHUNK_ROWS))


def write_lines(model: type[Model], write: Callable[[bytes], object]) -> TableDigest:
    """Write each row as a line of JSON."""
    digest = TableDigest()
    for row in read_rows(model):
        digest.add(row)
        write(_encoder.encode(row) + b"\n")
    return digest


def digest_table(model: type[Model]) -> TableDigest:
    digest = TableDigest()
    for row in read_rows(model):
        digest.add(row)
    return digest


def insert_lines(model: type[Model], lines: Iterable[bytes]) -> None:
    """Insert rows from such lines. Raises ValueError or ValidationError for what is no row."""
    fields = stored_fields(model)
    rows = (_prepare(fields, msgspec.json.decode(line)) for line in lines)
    quote = connection.ops.quote_name
    table = quote(model._meta.db_table)
    columns = ", ".join(quote(cast("str", field.column)) for field in fields)
    with connection.cursor() as cursor:
        if is_postgresql():
            with cast("Any", cursor).copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        places = ", ".join(["%s"] * len(fields))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608 - our own names
        while chunk := list(itertools.islice(rows, CHUNK_ROWS)):
            cursor.executemany(statement, chunk)


def _prepare(fields: Sequence[Field[Any, Any]], row: Any) -> list[Any]:
    if not isinstance(row, list):
        raise ValueError("A row is no list.")
    return [
        field.get_db_prep_save(field.to_python(value), connection)
        for field, value in zip(fields, row, strict=True)
    ]


def reset_sequences(models: Sequence[type[Model]]) -> None:
    """Let the numbers that PostgreSQL gives to new rows begin behind those that there are."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
            cursor.execute(statement)
