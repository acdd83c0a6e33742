"""The parts of the documentation that repeat what code says, written by the code.

Each stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; `manage.py write_docs` refreshes them
and the test run compares them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from gateway import errors
from gateway.conf import BASE_DIR
from gateway.error_advice import ADVICE
from gateway.metric_definitions import MetricOwner, list_definitions
from gateway.setting_groups import group_settings


def settings_tables() -> str:
    """Every setting with its default and purpose, by subject."""
    lines = []
    for title, items in group_settings():
        lines += [f"\n## {title}\n", "| variable | default | meaning |", "| --- | --- | --- |"]
        for item in items:
            name = item.metadata["name"]
            lines.append(f"| `{name}` | {_default(name, item.default)} | {item.metadata['help']} |")
    return "\n".join(lines) + "\n"


def _default(name: str, value: object) -> str:
    if value in ("", ()):
        return "–"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    if name.endswith("_BYTES") and isinstance(value, int):
        return f"`{value}` ({format_size(value)})"
    return f"`{str(value).replace(str(BASE_DIR) + '/', '')}`"


def format_size(size_bytes: int) -> str:
    """Exactly, in the largest unit that is whole: 8 MiB."""
    for unit, step in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size_bytes >= step and size_bytes % step == 0:
            return f"{size_bytes // step} {unit}"
    return f"{size_bytes} bytes"


def list_errors() -> list[type[errors.GatewayError]]:
    """Every error a client can meet, by status and code."""
    return sorted(error_kinds(errors.GatewayError), key=lambda kind: (kind.status, kind.code))


def error_table() -> str:
    """Every error on one line, with the way to what is to be done about it."""
    lines = ["| status | code | type | meaning |", "| --- | --- | --- | --- |"]
    for kind in list_errors():
        code = f"[`{kind.code}`](#{kind.code})"
        lines.append(f"| {kind.status} | {code} | `{kind.type}` | {kind.default_message} |")
    return "\n".join(lines)


def error_pages() -> str:
    """What to do about each code, under a heading that can be linked to."""
    sections = [
        f"### {kind.code}\n\n"
        f"**Meaning.** {kind.status}: {kind.default_message}\n\n"
        f"**First look.** {ADVICE[kind.code].first_look}\n\n"
        f"**Fix.** {ADVICE[kind.code].fix}"
        for kind in list_errors()
    ]
    return "\n" + "\n\n".join(sections) + "\n"


def error_kinds(root: type[errors.GatewayError]) -> Iterator[type[errors.GatewayError]]:
    """The errors of `gateway.errors` that have a code of their own; the engine's own refusals have not."""
    for kind in root.__subclasses__():
        has_code = "code" in vars(kind) or kind is errors.InternalError
        if has_code and kind.__module__ == errors.__name__ and kind is not errors.UpstreamRejected:
            yield kind
        yield from error_kinds(kind)


def metric_table(owner: MetricOwner) -> str:
    """The metrics of one process, or of both."""
    lines = ["| metric | type | labels | meaning |", "| --- | --- | --- | --- |"]
    for metric in list_definitions(owner):
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines)


METRICS_PAGE = BASE_DIR / "docs" / "metrics.md"

GENERATED: dict[str, tuple[Path, Callable[[], str]]] = {
    "settings": (BASE_DIR / "docs" / "settings.md", settings_tables),
    "errors": (BASE_DIR / "docs" / "errors.md", error_table),
    "advice": (BASE_DIR / "docs" / "errors.md", error_pages),
    "web metrics": (METRICS_PAGE, partial(metric_table, MetricOwner.WEB)),
    "switcher metrics": (METRICS_PAGE, partial(metric_table, MetricOwner.SWITCHER)),
    "common metrics": (METRICS_PAGE, partial(metric_table, MetricOwner.BOTH)),
}


def refreshed(name: str) -> tuple[Path, str]:
    """The file that holds the generated part `name`, and its text with that part up to date."""
    path, write = GENERATED[name]
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    block = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text, count = block.subn(lambda _match: f"{begin}\n{write()}\n{end}", path.read_text())
    if count != 1:
        raise ValueError(f"{path} has no single part between {begin} and {end}")
    return path, text
