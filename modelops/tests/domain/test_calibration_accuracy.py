"""The estimate against 14 public runs; each run's source is in the data file."""

from statistics import median
from typing import Any

import pytest

from modelops.domain.fit.question import answer_question
from modelops.domain.fit.specs import GIB
from modelops.tests.domain.fit_examples import load_data

SAMPLE = load_data("calibration_runs.json")
RUNS = SAMPLE["runs"]


def answer(run: dict[str, Any], *, with_bytes: bool, with_parameters: bool = True) -> dict[str, Any]:
    model = SAMPLE["models"][run["model"]]
    return answer_question(
        {
            "id": run["id"],
            "config": model["config"],
            "parameters": model["parameters"] if with_parameters else None,
            "weights_bytes": model["weights_bytes"] if with_bytes else None,
            **run["question"],
        }
    )


def find_errors(answered: str, measured: str, **facts: bool) -> list[float]:
    """Relative errors over the runs that measured the term."""
    errors = []
    for run in RUNS:
        true = run["measured"].get(measured)
        estimate = answer(run, **facts)[answered]
        if true is not None and estimate is not None:
            errors.append(abs(estimate / GIB / true - 1))
    return errors


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


@pytest.mark.parametrize(
    "facts",
    [
        {"with_bytes": True},
        {"with_bytes": False},
        {"with_bytes": False, "with_parameters": False},
    ],
    ids=["checkpoint-size", "parameters-only", "config-only"],
)
def test_estimates_stay_within_the_promised_error(facts: dict[str, bool]) -> None:
    weights = find_errors("weights_bytes", "weights_gib", **facts)
    cache = find_errors("kv_cache_bytes", "kv_cache_gib", **facts)
    activation = find_errors("activation_bytes", "activation_gib", **facts)

    print(
        f"\n{facts}: weights median {median(weights):.2%} p90 {percentile(weights, 0.9):.2%}; "
        f"KV median {median(cache):.2%} p90 {percentile(cache, 0.9):.2%}; "
        f"activation median {median(activation):.2%} over {len(RUNS)} runs"
    )

    assert percentile(weights, 0.9) <= 0.015
    assert median(cache) <= 0.02
    assert percentile(cache, 0.9) <= 0.06
    assert median(activation) <= 0.02


@pytest.mark.parametrize("run", RUNS, ids=[run["id"] for run in RUNS])
def test_verdict_agrees_with_what_happened(run: dict[str, Any]) -> None:
    report = answer(run, with_bytes=True)

    if run["measured"]["outcome"] == "fits":
        assert report["verdict"] in ("fits", "tight")
    else:
        assert report["verdict"] == "does_not_fit"
        assert report["limit"] in ("weights", "kv_cache")


@pytest.mark.parametrize(
    "run",
    [run for run in RUNS if "kv_tokens" in run["measured"]],
    ids=[run["id"] for run in RUNS if "kv_tokens" in run["measured"]],
)
def test_token_capacity_is_the_engines_within_two_per_cent(run: dict[str, Any]) -> None:
    report = answer(run, with_bytes=True)

    assert report["kv_cache_tokens"] == pytest.approx(run["measured"]["kv_tokens"], rel=0.02)


MEASURED = [run for run in RUNS if run["measured"].get("kv_cache_gib") is not None]
"""The others ended before their cache was measured."""


@pytest.mark.parametrize("run", MEASURED, ids=[run["id"] for run in MEASURED])
def test_measured_cache_lies_within_the_band(run: dict[str, Any]) -> None:
    measured = run["measured"]["kv_cache_gib"]

    band = answer(run, with_bytes=True)["band"]

    assert band["kv_cache_low_bytes"] <= measured * GIB <= band["kv_cache_high_bytes"]
