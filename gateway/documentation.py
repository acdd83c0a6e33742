"""The parts of the documentation that repeat what code says, written by the code.

Each stands between `<!-- begin NAME -->` and `<!-- end NAME -->`; `manage.py write_docs` refreshes them
and the test run compares them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import partial
from pathlib import Path

from gateway import errors
from gateway.conf import BASE_DIR, GatewayConfig
from gateway.metric_definitions import MetricOwner, list_definitions


def settings_table() -> str:
    """Every setting with its default and purpose."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    for item in fields(GatewayConfig):
        lines.append(f"| `{item.metadata['name']}` | {_default(item.default)} | {item.metadata['help']} |")
    return "\n".join(lines)


def _default(value: object) -> str:
    if value in ("", ()):
        return "–"
    if isinstance(value, tuple):
        return f"`{','.join(map(str, value))}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{str(value).replace(str(BASE_DIR) + '/', '')}`"


def error_table() -> str:
    """Every error a client can meet."""
    lines = ["| status | code | type | meaning |", "| --- | --- | --- | --- |"]
    kinds = sorted(error_kinds(errors.GatewayError), key=lambda kind: (kind.status, kind.code))
    for kind in kinds:
        lines.append(f"| {kind.status} | `{kind.code}` | `{kind.type}` | {kind.default_message} |")
    return "\n".join(lines)


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
    "settings": (BASE_DIR / "docs" / "settings.md", settings_table),
    "errors": (BASE_DIR / "docs" / "errors.md", error_table),
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
