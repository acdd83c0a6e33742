"""JSON columns that keep texts for people with their templates, to be shown in each reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from gateway.wording import FilledText

TEXTS = "texts"
"""Beside the document's own names: where in it a `FilledText` stood, and what it was made from."""


class TextsField(models.JSONField):
    """JSON of an object in which strings may be `FilledText`s: they are so again when they are read.

    The document holds them in English, for whoever reads it without us. What older versions stored has no
    templates, and stays English.
    """

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        return super().get_db_prep_value(keep_texts(value), connection, prepared)

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        return restore_texts(super().from_db_value(value, expression, connection))

    def deconstruct(self) -> tuple[str, str, Any, Any]:
        """Migrations see the JSON column that it is."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs


def keep_texts(document: Any) -> Any:
    """The document with the templates of its texts beside them; itself where there are none."""
    if not isinstance(document, dict):
        return document
    found = [{"at": path, **_take_apart(text)} for path, text in _list_texts(document, [])]
    return {**document, TEXTS: found} if found else document


def restore_texts(document: Any) -> Any:
    """The opposite of `keep_texts`."""
    if not isinstance(document, dict) or not isinstance(document.get(TEXTS), list):
        return document
    for kept in document.pop(TEXTS):
        *above, last = kept["at"]
        place = document
        for name in above:
            place = place[name]
        place[last] = FilledText.of(place[last], kept["text"], _put_together(kept["values"]))
    return document


def _list_texts(value: Any, path: list[str | int]) -> list[tuple[list[str | int], FilledText]]:
    if isinstance(value, FilledText):
        return [(path, value)]
    if isinstance(value, Mapping):
        inner: Any = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    else:
        return []
    return [found for name, each in inner for found in _list_texts(each, [*path, name])]


def _take_apart(text: FilledText) -> dict[str, Any]:
    values = {
        name: {"english": str(value), **_take_apart(value)} if isinstance(value, FilledText) else value
        for name, value in text.values.items()
    }
    return {"text": text.text, "values": values}


def _put_together(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: FilledText.of(value["english"], value["text"], _put_together(value["values"]))
        if isinstance(value, dict)
        else value
        for name, value in values.items()
    }


def choose_text(stored: str, kept: Any) -> str:
    """The text whose English is stored, which may be cut off; the English itself where none was kept."""
    is_same = isinstance(kept, FilledText) and str(kept).startswith(stored)
    return kept if is_same else stored
