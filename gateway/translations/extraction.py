"""Finds the texts to translate: in templates and Python for Django's catalogue, in scripts for djangojs."""

from __future__ import annotations

import ast
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import django
from babel.messages.extract import extract
from django.utils.translation import override
from django.utils.translation.template import templatize

from gateway.conf import BASE_DIR

APPS = ("gateway", "accounts", "chat", "conversations", "modelops")
SCRIPTS = "gateway/static"
COPIED_SCRIPTS = "gateway/static/vendor"

TEMPLATE_CALLS = {"_": None, "gettext": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
"""What Django's `templatize` makes of the tags, as Babel describes calls."""
ONE_TEXT = frozenset({"_", "gettext", "gettext_lazy", "gettext_noop", "fill_in"})
TWO_FORMS = frozenset({"ngettext", "ngettext_lazy"})
PROBLEMS = "ValidationError"
"""Django's and REST framework's: its texts reach clients by `gateway.errors`."""
MESSAGE_OF_CLASS = "default_message"
"""What the classes of `gateway.errors` say when they are raised without words of their own."""
TABLE = "Translatable"
"""In the annotation of a table: its strings are texts."""

SCRIPT_STRING = r'"(?:[^"\\\n]|\\.)*"'
SCRIPT_CALL = re.compile(
    rf"(?<![\w.$])(?P<name>tn?)\(\s*(?:(?P<one>{SCRIPT_STRING})(?:\s*,\s*(?P<many>{SCRIPT_STRING}))?)?"
)
SCRIPT_COMMENT = re.compile(r"^\s*(?://|/?\*).*$", re.MULTILINE)
SCRIPT_DEFINITION = re.compile(r"\bfunction tn?\(")


class NotPlain(ValueError):
    """A call whose text is no plain literal, so that no catalogue can have it."""


@dataclass(frozen=True)
class Text:
    """A text as the source has it. `many` is its plural, where it has one."""

    one: str
    path: str
    many: str | None = None


def find_django_texts() -> Iterator[Text]:
    for path in files_of(["templates"], "*.html"):
        yield from read_template(path.read_text(), named(path))
    for path in files_of(APPS, "*.py"):
        if "tests" not in path.parts and "migrations" not in path.parts:
            yield from read_python(path.read_text(), named(path))
    yield from find_names()
    yield from find_help_texts()


def find_help_texts() -> Iterator[Text]:
    """What our commands say at `--help`, which is declared without a mark as well."""
    from gateway.command_line import list_help_texts

    with override(None):
        yield from (Text(text, path) for text, path in list_help_texts())


def find_names() -> Iterator[Text]:
    """Names of models, fields and pages of the admin, which are declared without a mark."""
    django.setup()
    from django.contrib import admin

    from gateway.model_names import list_admin_names, list_model_names, list_shown_models

    admin.autodiscover()
    for name in [*list_model_names(list_shown_models(admin.site)), *list_admin_names(admin.site)]:
        yield Text(name.text, f"{name.module.replace('.', '/')}.py")


def find_script_texts() -> Iterator[Text]:
    for path in files_of([SCRIPTS], "*.js"):
        if BASE_DIR / COPIED_SCRIPTS not in path.parents:
            yield from read_script(path.read_text(), named(path))


def files_of(folders: Iterable[str], pattern: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((BASE_DIR / folder).rglob(pattern))


def named(path: Path) -> str:
    return path.relative_to(BASE_DIR).as_posix()


def read_template(source: str, path: str) -> Iterator[Text]:
    # Lines of a template are no blocks of Python, whose reader would stumble over their indentation.
    lines = [line.lstrip() for line in templatize(source, origin=path).splitlines()]
    found = extract("python", io.BytesIO("\n".join(lines).encode()), keywords=TEMPLATE_CALLS)
    for _line, message, _comments, _context in found:
        yield Text(message, path) if isinstance(message, str) else Text(message[0], path, message[1])


def read_python(source: str, path: str) -> Iterator[Text]:
    """Raises NotPlain for a translated text that is computed."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *rest]):
                if name in ONE_TEXT and isinstance(node.func, ast.Name):
                    yield Text(_plain(first, path), path)
                elif name in TWO_FORMS and rest:
                    yield Text(_plain(first, path), path, _plain(rest[0], path))
                elif (
                    name in error_names() and isinstance(first, ast.Constant) and isinstance(first.value, str)
                ):
                    yield Text(first.value, path)
                elif name == PROBLEMS:
                    yield from (Text(text, path) for text in _texts_within(first))
            case ast.AnnAssign(annotation=annotation, value=ast.expr() as table) if _names_table(annotation):
                yield from (Text(text, path) for text in _texts_within(table))
            case ast.AnnAssign(target=ast.Name(id=target), value=ast.Constant(value=str(text))):
                if target == MESSAGE_OF_CLASS:
                    yield Text(text, path)
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Constant(value=str(text))):
                if target == MESSAGE_OF_CLASS:
                    yield Text(text, path)


def find_computed_errors(source: str) -> Iterator[str]:
    """Errors whose message no catalogue can have: an f-string, there or in a variable of its function."""
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        nodes = list(ast.walk(function))
        computed = {
            target.id
            for node in nodes
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.JoinedStr)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in nodes:
            match node:
                case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]):
                    is_named = isinstance(first, ast.Name) and first.id in computed
                    if name in error_names() and (is_named or isinstance(first, ast.JoinedStr)):
                        yield ast.unparse(node)


def read_script(source: str, path: str) -> Iterator[Text]:
    """Raises NotPlain for `t` or `tn` of anything but string literals in double quotes."""
    code = SCRIPT_DEFINITION.sub("", SCRIPT_COMMENT.sub("", source))
    for call in SCRIPT_CALL.finditer(code):
        one, many = call["one"], call["many"]
        if one is None or (call["name"] == "tn" and many is None):
            raise NotPlain(f"{path}: {code[call.start() : call.start() + 60]!r}")
        if call["name"] == "t":
            yield Text(json.loads(one), path)
        else:
            yield Text(json.loads(one), path, json.loads(many))


def error_names() -> frozenset[str]:
    """The names of the errors that clients see."""
    from gateway import errors

    return frozenset(
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.GatewayError) and kind.status != 500
    )


def _names_table(annotation: ast.expr) -> bool:
    return any(isinstance(node, ast.Name) and node.id == TABLE for node in ast.walk(annotation))


def _texts_within(node: ast.expr) -> Iterator[str]:
    """The literals of a text, of a list of such, or by field or key."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.List(elts=inner) | ast.Tuple(elts=inner) | ast.Dict(values=inner):
            for each in inner:
                yield from _texts_within(each)


def _plain(node: ast.expr, path: str) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise NotPlain(f"{path}:{node.lineno}: {ast.unparse(node)[:60]}")
