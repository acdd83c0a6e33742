"""The catalogues under `locale`: brought up to date with the sources, checked, and compiled."""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from gateway.conf import BASE_DIR
from gateway.translations.extraction import Text, find_django_texts, find_script_texts

LANGUAGES = ("ko",)
"""All of settings.LANGUAGES but English, which is in the sources."""
SOURCES = {"django": find_django_texts, "djangojs": find_script_texts}
PLACEHOLDER = re.compile(r"%\((\w+)\)s|\{(\w+)\}")
PASSING_HEADER = re.compile(
    rb'^"(?:POT-Creation-Date|PO-Revision-Date|Generated-By|Last-Translator|Language-Team'
    rb"|Report-Msgid-Bugs-To|Project-Id-Version): .*\n",
    re.MULTILINE,
)
ANY_DATE = datetime(2000, 1, 1, tzinfo=UTC)
HEADER = """\
# Written by `python -m gateway.translations`, which keeps what is translated here.
# Texts that the sources have no more are at the end, and come back with them."""


@dataclass(frozen=True)
class CatalogueFile:
    """One language's texts of templates and Python (`django`), or of scripts (`djangojs`)."""

    language: str
    domain: str

    @property
    def source(self) -> Path:
        return BASE_DIR / "locale" / self.language / "LC_MESSAGES" / f"{self.domain}.po"

    @property
    def compiled(self) -> Path:
        return self.source.with_suffix(".mo")

    def read(self) -> Catalog:
        if not self.source.exists():
            return Catalog(locale=self.language, domain=self.domain)
        with self.source.open("rb") as file:
            return read_po(file, locale=self.language, domain=self.domain)

    def update(self) -> Catalog:
        """The catalogue with the texts that the sources have now."""
        catalogue = self.read()
        for kept in catalogue.obsolete.values():
            catalogue[kept.id] = kept
        catalogue.obsolete.clear()
        wanted = collect(SOURCES[self.domain]())
        catalogue.update(wanted, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.header_comment = HEADER
        catalogue.fuzzy = False
        for message in catalogue:
            message.locations = [(path, 0) for path in sorted({path for path, _line in message.locations})]
        return catalogue

    def write(self, catalogue: Catalog) -> None:
        """Both files. No line numbers and no dates, over which branches would only conflict."""
        self.source.parent.mkdir(parents=True, exist_ok=True)
        with self.source.open("wb") as file:
            write_po(file, catalogue, width=110, sort_output=True, include_lineno=False, omit_header=False)
        self.source.write_bytes(PASSING_HEADER.sub(b"", self.source.read_bytes()))
        self.compiled.write_bytes(compile_catalogue(self.read()))


def all_catalogues() -> list[CatalogueFile]:
    return [CatalogueFile(language, domain) for language in LANGUAGES for domain in SOURCES]


def collect(texts: Iterable[Text]) -> Catalog:
    """The texts as a catalogue without translations."""
    catalogue = Catalog()
    for text in texts:
        catalogue.add((text.one, text.many) if text.many else text.one, locations=[(text.path, 1)])
    return catalogue


def compile_catalogue(catalogue: Catalog) -> bytes:
    """The same bytes for the same texts: Babel would write today's date."""
    catalogue.creation_date = catalogue.revision_date = ANY_DATE
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def read_compiled(content: bytes) -> dict[object, str]:
    """What the translations are: the bytes also name Babel's version."""
    found: dict[object, str] = dict(gettext.GNUTranslations(io.BytesIO(content))._catalog)  # type: ignore[attr-defined]
    found.pop("", None)
    return found


def forms_of(text: str | Sequence[str] | None) -> list[str]:
    """Singular and plural, or the one text."""
    return [text or ""] if isinstance(text, str | None) else list(text)


def problems_of(catalogue: Catalog) -> list[str]:
    """What is left to do for translators: missing, uncertain, or with other placeholders."""
    found = []
    for message in catalogue:
        if not message.id:
            continue
        text, translations = forms_of(message.id)[-1], forms_of(message.string)
        if not all(translations):
            found.append(f"not translated: {text}")
        elif message.fuzzy:
            found.append(f"marked as fuzzy: {text}")
        elif any(placeholders_of(each) != placeholders_of(text) for each in translations):
            found.append(f"other placeholders: {text}")
    return found


def placeholders_of(text: str) -> set[str]:
    return {percent or brace for percent, brace in PLACEHOLDER.findall(text)}
