"""Finds words that go past the catalogues, in templates, components and Python: they would stay English."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser

SPOKEN_ATTRIBUTES = frozenset({"alt", "aria-label", "aria-description", "placeholder", "title"})
NAMES = ("vLLM Chat Gateway", "English")
"""The same in every language."""
WORD = re.compile(r"[A-Za-z]{2,}")

TEMPLATE_CODE = re.compile(
    r"{% comment %}.*?{% endcomment %}"
    r"|{% block body_class %}.*?{% endblock %}"
    r"|{% blocktranslate.*?{% endblocktranslate %}"
    r"|{%.*?%}|{{.*?}}|{#.*?#}",
    re.DOTALL,
)
CODE = "\x00"
"""Stands for an expression, in what is left of a template or component."""
BEFORE_PATTERN = "(,=:[!&|?{};>"
"""After these a slash begins a regular expression, and divides nothing."""


def words_in_template(source: str) -> list[str]:
    """The words of a Django template that stand outside of its tags."""
    return words_in_markup(TEMPLATE_CODE.sub(CODE, source))


def words_in_components(source: str) -> list[str]:
    """The words of a script's html`` templates."""
    return [word for markup in tagged_templates(source) for word in words_in_markup(markup)]


def words_in_markup(markup: str) -> list[str]:
    # htm's closing tags and component names are expressions, and elements have no case.
    parser = _Words()
    parser.feed(markup.replace(f"<{CODE}", "<x-component").replace("<//>", "</x-component>"))
    parser.close()
    return parser.found


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_code = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_code = tag in {"script", "style", "code", "kbd"}
        for name, value in attrs:
            if name in SPOKEN_ATTRIBUTES:
                self.handle_data(value or "")

    def handle_endtag(self, tag: str) -> None:
        self._is_code = False

    def handle_data(self, data: str) -> None:
        for name in NAMES:
            data = data.replace(name, "")
        if not self._is_code and WORD.search(data):
            self.found.append(" ".join(data.replace(CODE, "…").split()))


def tagged_templates(source: str) -> Iterator[str]:
    """The html`` templates of a script, each with CODE in place of its expressions, inner ones first."""
    yield from _Scanner(source).read_code("")


class _Scanner:
    """Reads just enough of JavaScript to tell templates from strings, comments and patterns."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def read_code(self, end: str) -> Iterator[str]:
        """Up to the brace that closes an expression; to the end of the source with an empty `end`."""
        depth = 0
        before = "("
        while self._at < len(self._source):
            char = self._source[self._at]
            if char == end and depth == 0:
                self._at += 1
                return
            depth += {"{": 1, "}": -1}.get(char, 0)
            if char == "`":
                yield from self._read_template()
            elif not self._skip_text(before):
                self._at += 1
            before = before if char.isspace() else char

    def _read_template(self) -> Iterator[str]:
        is_markup = self._source[: self._at].endswith("html")
        self._at += 1
        text = ""
        while self._at < len(self._source) and self._source[self._at] != "`":
            if self._source.startswith("${", self._at):
                self._at += 2
                yield from self.read_code("}")
                text += CODE
            else:
                step = 2 if self._source[self._at] == "\\" else 1
                text += self._source[self._at : self._at + step]
                self._at += step
        self._at += 1
        if is_markup:
            yield text

    def _skip_text(self, before: str) -> bool:
        """Past a string, comment or regular expression that begins here."""
        patterns = [r'"(?:[^"\\]|\\.)*"', r"'(?:[^'\\]|\\.)*'", r"//[^\n]*", r"/\*.*?\*/"]
        if before in BEFORE_PATTERN:
            patterns.append(r"/(?:[^/\\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+/[a-z]*")
        found = re.compile("|".join(patterns), re.DOTALL).match(self._source, self._at)
        if found is None:
            return False
        self._at = found.end()
        return True


SPOKEN_ARGUMENTS = {
    **{"CommandError": 0, "refuse_input": 0, "report_failure": 0, "ArgumentTypeError": 0},
    **{"FieldError": 1, "UnknownLayoutError": 0, "PlanProblem": 1, "RootCause": 1, "RuntimeFailure": 0},
    **{"RuntimeUnavailable": 0, "message_user": 1, "write": 0, "note": 1},
}
"""Calls of Python whose argument at this place people read, and so is no plain literal."""
OUTPUTS = frozenset({"stdout", "stderr"})


def words_in_python(source: str) -> list[str]:
    """The literals and f-strings with words that go to people past the catalogues."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments):
                place = SPOKEN_ARGUMENTS.get(name)
                if place is not None and place < len(arguments) and _is_spoken(node.func):
                    found += _words_of(arguments[place])
    return found


def _is_spoken(called: ast.expr) -> bool:
    """`write` is many things': of these, the output of a command is meant."""
    if isinstance(called, ast.Name):
        return called.id != "write"
    if not isinstance(called, ast.Attribute) or called.attr != "write":
        return True
    return isinstance(called.value, ast.Attribute) and called.value.attr in OUTPUTS


def _words_of(argument: ast.expr) -> Iterator[str]:
    match argument:
        case ast.Constant(value=str(text)):
            parts = [text]
        case ast.JoinedStr(values=values):
            parts = [str(each.value) for each in values if isinstance(each, ast.Constant)]
        case _:
            return
    if any(WORD.search(part) for part in parts):
        yield ast.unparse(argument)
