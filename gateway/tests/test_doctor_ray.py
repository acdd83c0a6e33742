"""What the doctor says of a Ray cluster."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gateway.conf import get_config
from gateway.doctor.findings import FindingKind, VantagePoint
from gateway.doctor.ray_checks import check_ray
from modelops.simulator.process import find_free_port


def test_nothing_is_said_of_a_cluster_that_nobody_set() -> None:
    assert list(check_ray(VantagePoint(config=replace(get_config(), ray_dashboard_url="")))) == []


def test_a_cluster_that_does_not_answer_is_a_problem_with_advice(tmp_path: Path) -> None:
    closed = f"http://127.0.0.1:{find_free_port()}"
    config = replace(get_config(), data_dir=str(tmp_path), ray_dashboard_url=closed)

    [finding] = check_ray(VantagePoint(config=config))

    assert finding.id == "ray"
    assert finding.verdict is FindingKind.PROBLEM
    assert "does not answer" in finding.message
    assert "RAY_DASHBOARD_URL" in finding.advice
