"""The metrics of all engines of a switcher as one text, each sample with the slot of its engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import structlog
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from gateway.scrape_values import write_families

log = structlog.get_logger()

SLOT, REPLICA = "slot", "replica"
MOST_AT_A_TIME = 8


@dataclass(frozen=True)
class FollowerUrl:
    """Where a replica beside its slot's leader listens."""

    slot: str
    replica: int
    base_url: str


def scrape_engines(
    engines: Mapping[str, str], read: Callable[[str], str], followers: Sequence[FollowerUrl] = ()
) -> bytes:
    """Read the engines, whose base URLs are by slot, and the followers, at the same time.

    One that fails is left out. The samples of followers have their number besides.
    """
    asked = [({SLOT: slot}, url) for slot, url in engines.items()]
    asked += [({SLOT: each.slot, REPLICA: str(each.replica)}, each.base_url) for each in followers]
    if not asked:
        return b""
    with ThreadPoolExecutor(min(MOST_AT_A_TIME, len(asked))) as pool:
        texts = list(pool.map(lambda each: _read(each[1], read), asked))
    families: dict[str, Metric] = {}
    for (labels, _url), text in zip(asked, texts, strict=True):
        if text is not None:
            _add(families, labels, text)
    return write_families(families.values())


def _read(url: str, read: Callable[[str], str]) -> str | None:
    try:
        return read(url)
    except httpx.HTTPError as exc:
        log.warning("engine_metrics_not_read", engine=url, error=type(exc).__name__)
        return None


def _add(families: dict[str, Metric], labels: Mapping[str, str], text: str) -> None:
    """Add one engine's samples to the families of all of them; nothing of a text that is no metrics."""
    try:
        found = list(text_string_to_metric_families(text))
    except ValueError as exc:
        log.warning("engine_metrics_unreadable", slot=labels[SLOT], error=str(exc)[:200])
        return
    for family in found:
        known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
        known.samples += [sample._replace(labels={**sample.labels, **labels}) for sample in family.samples]
