"""What the switcher tells Prometheus, in Prometheus' own format."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from gateway.conf import GatewayConfig
from gateway.metric_definitions import MetricKind, MetricOwner, list_definitions
from gateway.tests.scrapes import Scrape, scrape
from modelops.domain.switching.states import SwitchState
from modelops.hardware import GpuReading, HardwareReading
from modelops.models import Switch
from modelops.simulator.metrics import Gauges, Metrics, render_metrics
from modelops.simulator.process import find_free_port
from modelops.switcher.engine_scrape import scrape_engines
from modelops.switcher.metrics import SlotFigures, SwitcherFigures, SwitcherMetrics
from modelops.switcher.metrics_endpoint import MetricsEndpoint
from modelops.switching.slot_status import ServiceState
from modelops.tests.switcher.bench import SwitchBench

NOW = datetime.now(UTC)
SERVING = SlotFigures(
    "default", ServiceState.READY, "qwen", NOW, True, "http://a", kv_cache_usage=0.25, wanted_replicas=2
)
BROKEN = SlotFigures("second", ServiceState.DEGRADED, "phi", None, False, None)
CARD = GpuReading(
    index=0,
    name="NVIDIA GeForce RTX 3090",
    total_bytes=24 * 2**30,
    used_bytes=20 * 2**30,
    utilization_percent=97,
    temperature_c=71,
    power_w=341.5,
)
UNREADABLE = GpuReading(index=1, name="NVIDIA GeForce RTX 3090")


def write(figures: SwitcherFigures) -> Scrape:
    metrics = SwitcherMetrics()
    metrics.figures = figures
    metrics.count_switch(
        Switch(created_at=NOW - timedelta(seconds=42)), SwitchState.ACTIVE, {"loading": 30.5}
    )
    return Scrape(metrics.write(GatewayConfig(data_dir="/tmp")).decode())


def test_every_documented_metric_is_there_with_its_labels() -> None:
    reading = HardwareReading(taken_at=datetime.now(UTC), gpus=(CARD,))

    told = write(SwitcherFigures((SERVING, BROKEN), time.time(), reading, starts=3))

    for definition in (*list_definitions(MetricOwner.SWITCHER), *list_definitions(MetricOwner.BOTH)):
        name = definition.name
        family = name.removesuffix("_total") if definition.kind is MetricKind.COUNTER else name
        assert told.types[family] == definition.kind
        sample = f"{name}_count" if definition.kind is MetricKind.HISTOGRAM else name
        found = told.find(sample)
        assert found, name
        assert {frozenset(labels) for labels in found} == {frozenset(definition.labels)}


def test_it_tells_what_serves_since_when_and_what_does_not() -> None:
    told = write(SwitcherFigures((SERVING, BROKEN), 1000.5, starts=3))

    states = [
        labels for labels in told.find("switcher_slot_state") if told.sum("switcher_slot_state", **labels)
    ]
    assert states == [{"slot": "default", "state": "ready"}, {"slot": "second", "state": "degraded"}]
    assert told.find("switcher_slot_active_since_timestamp_seconds") == [
        {"slot": "default", "profile": "qwen"}
    ]
    assert told.sum("switcher_slot_active_since_timestamp_seconds") == pytest.approx(NOW.timestamp())
    assert told.sum("switcher_engine_up", slot="default", profile="qwen") == 1
    assert told.find("switcher_engine_up", slot="second") == [{"slot": "second", "profile": "phi"}]
    assert told.sum("switcher_engine_up", slot="second") == 0
    assert told.find("engine_kv_cache_usage_ratio") == [{"slot": "default"}]
    assert told.sum("engine_kv_cache_usage_ratio") == 0.25
    assert told.find("switcher_engine_restarts_total", slot="second")
    assert (told.sum("switcher_is_leader"), told.sum("switcher_last_step_timestamp_seconds")) == (1, 1000.5)
    assert told.sum("gateway_process_starts_total", role="switcher") == 3


def test_a_switch_is_counted_with_its_duration_and_phases() -> None:
    told = write(SwitcherFigures((SERVING,), time.time()))

    assert told.sum("switcher_switches_total", outcome="active") == 1
    assert told.find("switcher_switches_total", outcome="rolled_back")
    assert told.sum("switcher_switch_duration_seconds_sum", outcome="active") >= 42
    assert told.sum("switcher_switch_phase_seconds_sum", phase="loading") == 30.5


def test_cards_are_told_in_base_units_and_what_is_not_known_is_left_out() -> None:
    told = write(
        SwitcherFigures(
            (SERVING,), time.time(), HardwareReading(taken_at=datetime.now(UTC), gpus=(CARD, UNREADABLE))
        )
    )

    labels = {"gpu": "0", "name": "NVIDIA GeForce RTX 3090"}
    names = (
        "memory_used_bytes",
        "memory_total_bytes",
        "utilization_ratio",
        "temperature_celsius",
        "power_watts",
    )
    assert [told.find(f"gpu_{name}") for name in names] == [[labels]] * len(names)
    values = [told.sum(f"gpu_{name}") for name in names]
    assert values == [20 * 2**30, 24 * 2**30, 0.97, 71, 341.5]


def test_an_old_reading_of_the_cards_is_not_told_as_if_it_were_now() -> None:
    reading = HardwareReading(taken_at=datetime.now(UTC) - timedelta(minutes=2), gpus=(CARD,))

    told = write(SwitcherFigures((SERVING,), time.time(), reading))

    assert told.find("gpu_temperature_celsius") == []


def test_a_switcher_that_stands_by_says_so() -> None:
    told = write(SwitcherFigures((), time.time()))

    assert told.find("switcher_is_leader") == [{}]
    assert told.sum("switcher_is_leader") == 0
    assert told.find("switcher_slot_state") == []


def engine_text(running: int) -> str:
    gauges = Gauges(running=running, waiting=0, kv_cache_usage=0.5, sleep_level=0)
    return render_metrics(Metrics(), gauges, model_name='a "model"\\', cache_config={"block_size": "16"})


def test_engines_are_one_text_whose_samples_name_their_slots() -> None:
    texts = {"http://a": engine_text(3), "http://b": engine_text(5), "http://c": "no metrics at all {"}

    def read(url: str) -> str:
        if url == "http://d":
            raise httpx.ConnectError("refused")
        return texts[url]

    urls = dict(zip(("default", "second", "third", "fourth"), (*texts, "http://d"), strict=True))
    told = Scrape(scrape_engines(urls, read).decode())

    running = {"model_name": 'a "model"\\', "engine": "0"}
    assert told.find("vllm:num_requests_running") == [
        running | {"slot": "default"},
        running | {"slot": "second"},
    ]
    assert told.sum("vllm:num_requests_running", slot="second") == 5
    alone = Scrape(engine_text(3))
    assert told.types == alone.types
    assert len(told.samples) == 2 * len(alone.samples)
    assert told.values("slot") == {"default", "second"}


@pytest.fixture
def endpoint() -> Iterator[MetricsEndpoint]:
    opened = MetricsEndpoint(
        {"/metrics": lambda: b"x 1\n"}, host="127.0.0.1", port=find_free_port(), networks=("127.0.0.1/32",)
    )
    opened.open()
    yield opened
    opened.close()


def test_the_endpoint_is_for_metrics_networks_and_not_for_clients_of_proxies(
    endpoint: MetricsEndpoint,
) -> None:
    url = f"http://127.0.0.1:{endpoint.port}"

    with httpx.Client(base_url=url) as client:
        answers = [
            client.get("/metrics"),
            client.get("/metrics?x=1"),
            client.get("/"),
            client.get("/engines"),
        ]
        through_proxy = client.get("/metrics", headers={"x-forwarded-for": "10.0.0.1"})
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=url, transport=elsewhere) as stranger, pytest.raises(httpx.TransportError):
        stranger.get("/metrics")

    assert [answer.status_code for answer in answers] == [200, 200, 404, 404]
    assert answers[0].headers["content-type"].startswith("text/plain; version=")
    assert through_proxy.status_code == 404


def test_a_port_in_use_is_taken_over_once_it_is_free(endpoint: MetricsEndpoint) -> None:
    assert endpoint.port is not None
    second = MetricsEndpoint(
        {"/metrics": lambda: b"y 2\n"}, host="127.0.0.1", port=endpoint.port, networks=("127.0.0.0/8",)
    )
    second.open()
    assert second.port is None

    endpoint.close()
    second.open()

    try:
        assert httpx.get(f"http://127.0.0.1:{second.port}/metrics").text == "y 2\n"
    finally:
        second.close()


def test_a_running_switcher_tells_of_its_switch_its_engine_and_the_engines_death(bench: SwitchBench) -> None:
    url = f"http://127.0.0.1:{(port := find_free_port())}"
    bench.save_profile("a")
    bench.start_switcher(SWITCHER_METRICS_PORT=str(port), METRICS_NETWORKS="127.0.0.0/8")
    bench.switch_and_settle("a")

    bench.wait_until(lambda: scrape(url).sum("switcher_engine_up", slot="default", profile="a") == 1)
    told, engines = scrape(url), scrape(url, "/engines")

    assert told.sum("switcher_switches_total", outcome="active") == 1
    assert told.sum("switcher_slot_state", slot="default", state="ready") == 1
    assert told.sum("switcher_switch_phase_seconds_count", phase="loading") == 1
    assert told.sum("gateway_process_starts_total", role="switcher") == 1
    assert told.sum("switcher_engine_restarts_total") == 0
    assert engines.find("vllm:num_requests_running", slot="default")

    rows = bench.look()
    bench.kill_workload(rows["workloads"][0])
    bench.wait_for_engine_after(rows)

    assert scrape(url).sum("switcher_engine_restarts_total", slot="default") == 1
