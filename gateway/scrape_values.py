"""What web and switcher read when their metrics are asked for: the build, and the space on their volumes."""

from __future__ import annotations

import ipaddress
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from django.conf import settings
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from gateway import metric_definitions as definitions
from gateway.conf import GatewayConfig

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable by which prometheus_client learns, when it is imported, where processes share their values."""

PROXY_HEADERS = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")
"""A request with one of these came through a proxy, and may be from anywhere."""

REVISION = "GATEWAY_REVISION"
"""The variable in which an image keeps the commit that it was built from."""


def is_in_networks(address: str, networks: Sequence[str]) -> bool:
    """Whether the address may read metrics; what is no address may not."""
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    # On a socket for both versions, a client of IPv4 has an address of IPv6 that holds its own.
    peer = getattr(peer, "ipv4_mapped", None) or peer
    return any(peer in ipaddress.ip_network(network) for network in networks)


def read_common_values(config: GatewayConfig, starts: Mapping[str, int]) -> Iterator[Metric]:
    """The families that both processes have. `starts` are by role; nothing is said of them when empty."""
    build = definitions.BUILD_INFO.make_family()
    build.add_metric([settings.PRODUCT_VERSION, os.environ.get(REVISION) or "unknown"], 1)
    yield build
    space = definitions.DISK_FREE.make_family()
    for volume, path in list_volumes(config):
        space.add_metric([volume], shutil.disk_usage(path).free)
    yield space
    if starts:
        counted = definitions.PROCESS_STARTS.make_family()
        for role, number in starts.items():
            counted.add_metric([role], number)
        yield counted


def list_volumes(config: GatewayConfig) -> Iterator[tuple[str, Path]]:
    """The folders whose space is told, by what they hold: those that exist where this process runs."""
    for volume, folder in (
        ("data", config.data_dir),
        ("weights", config.huggingface_cache),
        ("compile_cache", config.vllm_cache),
    ):
        # A Docker volume is named and not a path.
        if (volume == "data" or os.path.isabs(folder)) and os.path.isdir(folder):
            yield volume, Path(folder)


class _Families(Collector):
    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def write_families(families: Iterable[Metric]) -> bytes:
    """These families in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(families))
    text: bytes = generate_latest(registry)
    return text
