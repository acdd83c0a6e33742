"""Names of apps, models, fields and pages of the admin, in the language of the reader.

They are written once, where they are declared, and Django makes many of them itself from the names of columns
and methods. Here they become lazy translations: models once all are loaded, pages of the admin once they are
registered. `gateway.translations` takes its texts from the same places, so that no name is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db import models
from django.forms.utils import pretty_name
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as translate_lazily  # no literals: texts come from here
from django.utils.translation import override

from gateway.wording import Translatable

Model = type[models.Model]

BETTER_SAID: tuple[Translatable, ...] = (
    "Select %s to view",
    "Select %s to change",
    "View %s",
    "0 of %(cnt)s selected",
    "%(sel)s of %(cnt)s selected",
)
"""Texts of Django's admin whose Korean reads badly: ours goes before Django's."""

OWN_APPS = ("accounts", "conversations", "modelops")
ENGINE_VALUES = frozenset({"dtype", "kv_cache_dtype", "quantization"})
"""Fields whose choices are values of the engine's flags, the same in every language."""


@dataclass(frozen=True)
class Name:
    """A text of the sources in `module`, and how to put another in its place."""

    text: str
    module: str
    replace: Callable[[Any], None]


def translate_models() -> None:
    """To be called once all models are loaded."""
    _translate(list_model_names(list_own_models()))


def translate_admin(site: admin.AdminSite) -> None:
    """To be called once the pages are registered; what is translated already stays as it is."""
    _translate(list_admin_names(site))


def _translate(names: Iterator[Name]) -> None:
    for name in list(names):
        translated: Any = translate_lazily(name.text)
        translated.name = name.text
        name.replace(translated)


def list_own_models() -> list[Model]:
    return [model for label in OWN_APPS for model in apps.get_app_config(label).get_models()]


def list_shown_models(site: admin.AdminSite) -> list[Model]:
    """Those that have a page of the admin, or rows on the page of another."""
    shown = {*site._registry, *(inline.model for page in site._registry.values() for inline in page.inlines)}
    return [model for model in list_own_models() if model in shown]


def list_model_names(shown: Iterable[Model]) -> Iterator[Name]:
    """Those of apps, models, fields and choices, with help texts; Django's own are left out."""
    for label in OWN_APPS:
        yield from _attributes(apps.get_app_config(label), f"{label}.apps", "verbose_name")
    for model in shown:
        meta = model._meta
        yield from _attributes(meta, model.__module__, "verbose_name")
        yield from _attribute(
            meta, model.__module__, "verbose_name_plural", _name_many(meta.verbose_name_plural)
        )
        for field in [*meta.local_fields, *meta.local_many_to_many]:
            yield from _attributes(field, model.__module__, "verbose_name", "help_text")
            yield from _list_choices(field, model.__module__)
        for inner in vars(model).values():
            if isinstance(inner, type) and issubclass(inner, models.TextChoices):
                # Of columns that take others, too; whoever shows them translates them.
                yield from (Name(str(label), model.__module__, _keep) for label in inner.labels)


def _keep(_text: Any) -> None:
    """Members of an enum stay as they are."""


def _name_many(plural: Any) -> str:
    """The English plural, which Django makes lazily of the name where none is declared."""
    with override(None):
        return str(plural)


def _list_choices(field: models.Field[Any, Any], module: str) -> Iterator[Name]:
    choices = [] if field.name in ENGINE_VALUES else list(field.choices or ())

    def put(position: int) -> Callable[[Any], None]:
        def replace(label: Any) -> None:
            choices[position] = (choices[position][0], label)
            field.choices = choices

        return replace

    for position, (_value, label) in enumerate(choices):
        if text := _text_of(label):
            yield Name(text, module, put(position))


def list_admin_names(site: admin.AdminSite) -> Iterator[Name]:
    """Headings, columns, actions and filters of our pages."""
    for model_admin in site._registry.values():
        if type(model_admin).__module__.partition(".")[0] in OWN_APPS:
            yield from _list_page_names(model_admin)


def _list_page_names(page: Any) -> Iterator[Name]:
    kind = type(page)
    yield from _list_fieldset_names(kind)
    for name in dict.fromkeys([*page.list_display, *page.readonly_fields, *(page.actions or ())]):
        method = getattr(kind, name, None) if isinstance(name, str) else None
        if callable(method) and method.__module__.partition(".")[0] in OWN_APPS:
            described = getattr(method, "short_description", None) or pretty_name(name)
            yield from _attribute(method, method.__module__, "short_description", described)
    for each in page.list_filter:
        if isinstance(each, type):
            yield from _attributes(each, each.__module__, "title")
    for inline in page.inlines:
        yield from _list_fieldset_names(inline)


def _list_fieldset_names(kind: Any) -> Iterator[Name]:
    fieldsets = list(kind.fieldsets or ())

    def put(position: int) -> Callable[[Any], None]:
        def replace(title: Any) -> None:
            fieldsets[position] = (title, fieldsets[position][1])
            kind.fieldsets = fieldsets

        return replace

    def put_description(options: dict[str, Any]) -> Callable[[Any], None]:
        return lambda text: options.update(description=text)

    for position, (title, options) in enumerate(fieldsets):
        if text := _text_of(title):
            yield Name(text, kind.__module__, put(position))
        if text := _text_of(options.get("description")):
            yield Name(text, kind.__module__, put_description(options))


def _attributes(owner: Any, module: str, *attributes: str) -> Iterator[Name]:
    for attribute in attributes:
        yield from _attribute(owner, module, attribute, getattr(owner, attribute, None))


def _attribute(owner: Any, module: str, attribute: str, text: Any) -> Iterator[Name]:
    if english := _text_of(text):
        yield Name(english, module, lambda lazy: setattr(owner, attribute, lazy))


def _text_of(text: Any) -> str:
    """The English of a text of ours; empty for none, and for what is translated where it is declared."""
    if isinstance(text, Promise):
        return getattr(text, "name", "")
    return text if isinstance(text, str) and any(map(str.isalpha, text)) else ""
