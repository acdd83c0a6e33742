"""The metrics of all engines of a switcher as one text, each sample with the slot of its engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx
import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.scrape_values import write_families

log = structlog.get_logger()

SLOT = "slot"
MOST_AT_A_TIME = 8


def scrape_engines(engines: Mapping[str, str], read: Callable[[str], str]) -> bytes:
    """Read the engines, whose base URLs are by slot, at the same time. One that fails is left out."""
    if not engines:
        return b""
    with ThreadPoolExecutor(min(MOST_AT_A_TIME, len(engines))) as pool:
        texts = list(pool.map(lambda url: _read(url, read), engines.values()))
    families: dict[str, Metric] = {}
    for slot, text in zip(engines, texts, strict=True):
        if text is not None:
            _add(families, slot, text)
    return write_families(families.values())


def _read(url: str, read: Callable[[str], str]) -> str | None:
    try:
        return read(url)
    except httpx.HTTPError as exc:
        log.warning("engine_metrics_not_read", engine=url, error=type(exc).__name__)
        return None


def _add(families: dict[str, Metric], slot: str, text: str) -> None:
    """Add one engine's samples to the families of all of them; nothing of a text that is no metrics."""
    try:
        found = list(text_string_to_metric_families(text))
    except ValueError as exc:
        log.warning("engine_metrics_unreadable", slot=slot, error=str(exc)[:200])
        return
    for family in found:
        known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        known.samples += [sample._replace(labels={**sample.labels, SLOT: slot}) for sample in family.samples]
