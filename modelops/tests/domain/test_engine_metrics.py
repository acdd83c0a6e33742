"""How busy an engine is, by its metrics."""

from __future__ import annotations

from modelops.domain.engine_metrics import EngineCounters, measure_load, parse_metrics
from modelops.simulator.metrics import Gauges, Metrics, render_metrics

TWO_RANKS = """
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="m"} 2.0
vllm:num_requests_running{engine="1",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} 1.0
vllm:num_requests_waiting{engine="1",model_name="m"} 0.0
vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.25
vllm:kv_cache_usage_perc{engine="1",model_name="m"} 0.75
vllm:prompt_tokens_total{engine="0",model_name="m"} 100.0
vllm:prompt_tokens_created{engine="0",model_name="m"} 1.7e9
vllm:generation_tokens_total{engine="0",model_name="m"} 10.0
vllm:generation_tokens_total{engine="1",model_name="m"} 20.0
"""


def counters(**values: float) -> EngineCounters:
    known = {"prompt_tokens": 0.0, "generation_tokens": 0.0, "first_token_seconds": 0.0, "first_tokens": 0.0}
    return EngineCounters(running=1, waiting=0, kv_cache_usage=0.5, **{**known, **values})


def test_ranks_of_one_engine_are_summed_and_the_fullest_cache_counts() -> None:
    found = parse_metrics(TWO_RANKS)

    assert found is not None
    assert (found.running, found.waiting, found.kv_cache_usage) == (5, 1, 0.75)
    assert (found.prompt_tokens, found.generation_tokens) == (100, 30)


def test_what_the_simulator_writes_is_read() -> None:
    metrics = Metrics(prompt_tokens=7, generation_tokens=9)
    metrics.time_to_first_token.observe(0.5)
    gauges = Gauges(running=4, waiting=2, kv_cache_usage=0.1, sleep_level=0)

    found = parse_metrics(render_metrics(metrics, gauges, model_name="m", cache_config={}))

    assert found == EngineCounters(4, 2, 0.1, 7, 9, 0.5, 1)


def test_another_servers_metrics_are_none() -> None:
    assert parse_metrics("python_gc_objects_collected_total 4\n") is None
    assert parse_metrics("<html>not found</html>") is None


def test_rates_are_those_between_two_scrapes() -> None:
    before = counters(prompt_tokens=100, generation_tokens=50, first_token_seconds=1, first_tokens=2)
    now = counters(prompt_tokens=300, generation_tokens=90, first_token_seconds=2, first_tokens=6)

    load = measure_load(before, now, 4.0)

    assert (load.prompt_tokens_per_s, load.generation_tokens_per_s) == (50, 10)
    assert load.first_token_s == 0.25


def test_time_to_first_token_is_unknown_where_no_request_came() -> None:
    assert measure_load(counters(), counters(), 2.0).first_token_s is None


def test_counters_that_began_anew_give_no_rates() -> None:
    load = measure_load(counters(generation_tokens=500), counters(generation_tokens=3), 2.0)

    assert load.generation_tokens_per_s is None
    assert load.running == 1
