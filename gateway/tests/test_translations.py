"""Every text of pages and errors is in the catalogues, and nothing is said past them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.template import Context, Template
from django.utils import translation

from gateway.conf import BASE_DIR
from gateway.templatetags.texts import sentence
from gateway.translations.catalogues import (
    LANGUAGES,
    CatalogueFile,
    all_catalogues,
    collect,
    compile_catalogue,
    problems_of,
    read_compiled,
)
from gateway.translations.extraction import (
    NotPlain,
    Text,
    files_of,
    find_computed_errors,
    named,
    read_python,
    read_script,
    read_template,
)
from gateway.translations.literals import words_in_components, words_in_python, words_in_template
from gateway.wording import fill_in

RUN = "run `python -m gateway.translations`, translate what it names, and run it again"

PAGES = [path for path in files_of(["templates"], "*.html") if "drf_spectacular" not in path.parts]
ERRORS = [
    path
    for path in files_of(["accounts", "chat", "conversations", "gateway"], "*.py")
    if {"tests", "migrations", "management"}.isdisjoint(path.parts)
]
SPEAKING = [
    path
    for path in files_of(["accounts", "conversations", "gateway", "modelops"], "*.py")
    if "tests" not in path.parts and "simulator" not in path.parts
]
SCRIPTS = list(files_of(["gateway/static/pages/js"], "*.js"))


def test_every_language_of_the_settings_has_catalogues() -> None:
    assert {"en", *LANGUAGES} == set(dict(settings.LANGUAGES))


@pytest.mark.parametrize("file", all_catalogues(), ids=lambda file: f"{file.language}-{file.domain}")
def test_every_text_of_the_sources_is_translated(file: CatalogueFile) -> None:
    assert problems_of(file.update()) == [], RUN


@pytest.mark.parametrize("file", all_catalogues(), ids=lambda file: f"{file.language}-{file.domain}")
def test_catalogue_has_the_texts_of_the_sources_and_no_others(file: CatalogueFile) -> None:
    assert {message.id for message in file.read()} == {message.id for message in file.update()}, RUN


@pytest.mark.parametrize("file", all_catalogues(), ids=lambda file: f"{file.language}-{file.domain}")
def test_compiled_catalogue_is_what_the_source_compiles_to(file: CatalogueFile) -> None:
    expected = read_compiled(compile_catalogue(file.read()))

    assert read_compiled(file.compiled.read_bytes()) == expected, RUN


@pytest.mark.parametrize("path", PAGES, ids=named)
def test_templates_say_nothing_past_the_catalogues(path: Path) -> None:
    assert words_in_template(path.read_text()) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=named)
def test_components_say_nothing_past_the_catalogues(path: Path) -> None:
    assert words_in_components(path.read_text()) == []


@pytest.mark.parametrize("path", SPEAKING, ids=named)
def test_commands_pages_and_the_engine_room_say_nothing_past_the_catalogues(path: Path) -> None:
    assert words_in_python(path.read_text()) == []


def test_same_texts_compile_to_the_same_bytes() -> None:
    file = all_catalogues()[0]

    assert compile_catalogue(file.read()) == compile_catalogue(file.read())
    assert b"2000-01-01" in compile_catalogue(file.read())


def test_missing_uncertain_and_differing_translations_are_named() -> None:
    catalogue = collect(
        [Text("Send", "a.js"), Text("{count} file", "a.js", "{count} files"), Text("Stop", "a.js")]
    )
    catalogue["{count} file"].string = ("파일 {number}개",)
    catalogue["Stop"].string = "멈추기"
    catalogue["Stop"].flags.add("fuzzy")

    assert problems_of(catalogue) == [
        "not translated: Send",
        "other placeholders: {count} files",
        "marked as fuzzy: Stop",
    ]


def test_calls_in_scripts_are_found_inside_of_components() -> None:
    source = 'html`<p title=${t("one")}>${x ? html`<b>${tn("{count} a", "{count} b", n)}</b>` : ""}</p>`'

    assert list(read_script(source, "a.js")) == [
        Text("one", "a.js"),
        Text("{count} a", "a.js", "{count} b"),
    ]


@pytest.mark.parametrize("call", ["t(name)", "t(`Hello`)", "t('Hello')", 'tn("one", many, 2)'])
def test_texts_in_scripts_that_are_no_plain_literals_are_refused(call: str) -> None:
    with pytest.raises(NotPlain):
        list(read_script(f"x = {call}", "a.js"))


def test_texts_of_templates_are_found() -> None:
    source = """
      {% translate "Sign in" %}
      {% firstof problem _("Please look below.") %}
          {% blocktranslate count n=n %}One{% plural %}{{ n }} many{% endblocktranslate %}
    """

    assert [(text.one, text.many) for text in read_template(source, "a.html")] == [
        ("Sign in", None),
        ("Please look below.", None),
        ("One", "%(n)s many"),
    ]


def test_messages_of_errors_are_found_without_a_mark() -> None:
    source = 'class X(Y):\n    default_message: str = "Gone."\n\nraise NotFound("There is no such cat.")\n'

    assert {text.one for text in read_python(source, "a.py")} == {"Gone.", "There is no such cat."}


@pytest.mark.parametrize(
    "source",
    [
        'def f(x):\n    raise NotFound(f"There is no {x}.")\n',
        'def f(x):\n    message = f"There is no {x}."\n    raise NotFound(message, param="x")\n',
    ],
)
def test_error_whose_message_no_catalogue_can_have_is_found(source: str) -> None:
    assert len(list(find_computed_errors(source))) == 1


@pytest.mark.parametrize("path", ERRORS, ids=named)
def test_errors_say_nothing_past_the_catalogues(path: Path) -> None:
    assert list(find_computed_errors(path.read_text())) == [], "have the values by fill_in"


def test_texts_of_validation_errors_are_found_and_names_of_fields_are_not() -> None:
    source = 'raise ValidationError({"title": ["Too long."]})\nraise ValidationError("Too late.")\n'

    assert {text.one for text in read_python(source, "a.py")} == {"Too long.", "Too late."}


def test_words_past_the_catalogues_are_found() -> None:
    template = '<p title="Close">{% translate "Fine" %} Stray words</p>'
    component = (
        'const quoted = /[`"]/; html`<${Icon} /><button aria-label="Shut">${t("Fine")}</button> loose`'
    )

    assert words_in_template(template) == ["Close", "… Stray words"]
    assert words_in_components(component) == ["Shut", "loose"]


def test_words_of_python_past_the_catalogues_are_found() -> None:
    source = """
raise refuse_input(f"{name} is no name")
raise refuse_input(fill_in("{name} is no name", name=name))
self.stdout.write("Done.")
self.stdout.write(f"{path}: {size}")
file.write("Done.")
FieldError("name", "is missing")
"""

    assert words_in_python(source) == ["f'{name} is no name'", "'Done.'", "'is missing'"]


def test_catalogues_are_where_django_looks() -> None:
    assert [BASE_DIR / "locale"] == settings.LOCALE_PATHS


@pytest.mark.parametrize("path", list(files_of(["templates"], "*.html")), ids=named)
def test_templates_capitalise_no_text_that_is_still_to_be_translated(path: Path) -> None:
    capitalised = re.findall(r"\{\{\s*([\w.]+)\|capfirst", path.read_text())

    assert [
        each for each in capitalised if not each.endswith(("verbose_name_plural", "display", "text"))
    ] == []


def test_sentence_is_in_the_readers_language() -> None:
    said = fill_in("The model did not answer a first question: {error}.", error="x")

    with translation.override("ko"):
        shown = Template("{% load texts %}{{ said|sentence }}").render(Context({"said": said}))

    assert shown == "모델이 첫 확인 질문에 답하지 못했습니다: x."
    assert sentence("one card is enough") == "One card is enough."
