"""/metrics, for internal networks only."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence

from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from chat.web_runtime import WebRuntime, find_runtime
from gateway import metric_definitions as definitions
from gateway.conf import get_config
from gateway.errors import DependencyUnavailable, NotFound
from gateway.probes import Outcome, open_probes
from gateway.scrape_values import (
    METRICS_FOLDER,
    PROXY_HEADERS,
    is_in_networks,
    read_common_values,
    write_families,
)
from modelops.serving.process_starts import WEB, read_starts


async def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format, of all web processes of this socket; 404 outside METRICS_NETWORKS."""
    if not is_internal(request):
        raise NotFound("There is no such path.")
    runtime = find_runtime()
    stores, starts = await read_stores(runtime) if runtime is not None else ([], {})
    text = await asyncio.to_thread(write_metrics, stores, starts)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def is_internal(request: HttpRequest) -> bool:
    """True when the peer is in METRICS_NETWORKS and did not come through a proxy.

    A proxy on this host has a loopback address, so its clients would all look internal.
    """
    if any(header in request.headers for header in PROXY_HEADERS):
        return False
    return is_in_networks(request.META.get("REMOTE_ADDR", ""), get_config().metrics_networks)


def write_metrics(stores: Sequence[Metric], starts: Mapping[str, int]) -> bytes:
    """All of it. Blocks: folders are looked at, and the files of several processes are read and summed."""
    return write_counts() + write_families([*stores, *read_common_values(get_config(), starts)])


def write_counts() -> bytes:
    """What was counted, by this process or by all that count into the same folder."""
    registry = REGISTRY
    if os.environ.get(METRICS_FOLDER):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    text: bytes = generate_latest(registry)
    return text


async def read_stores(runtime: WebRuntime) -> tuple[list[Metric], dict[str, int]]:
    """How the stores are now, and what the database knows of starts."""
    database, memory = await open_probes(runtime.board_worker, runtime.redis).look_at_stores()
    stores = list(describe_stores(database, memory if runtime.redis is not None else None))
    return stores, await read_web_starts(runtime) if database.is_ok else {}


def describe_stores(database: Outcome, memory: Outcome | None) -> Iterator[Metric]:
    """`memory` is Redis; without it the gateway counts in this process, which is always up."""
    is_up = definitions.STORE_UP.make_family()
    is_up.add_metric(["database"], database.is_ok)
    if memory is not None:
        is_up.add_metric(["redis"], memory.is_ok)
    yield is_up


async def read_web_starts(runtime: WebRuntime) -> dict[str, int]:
    """By role; nothing where the database stopped answering just now."""
    try:
        number = await runtime.board_worker.submit(read_starts, WEB)
    except DependencyUnavailable:
        return {}
    return {WEB: number}
