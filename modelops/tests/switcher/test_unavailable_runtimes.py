"""A switch that fails because a runtime does not answer names that runtime, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.conf import GatewayConfig
from modelops.runtimes.base import RuntimeUnavailable
from modelops.runtimes.process_runtime import ProcessRuntime
from modelops.switcher.preparing import explain
from modelops.switcher.standstill import explain_unavailable


@pytest.fixture
def unreadable(tmp_path: Path) -> RuntimeUnavailable:
    """What the process runtime raises for a record that cannot be read."""
    (tmp_path / "engines" / "vllm-default-1.json").mkdir(parents=True)
    runtime = ProcessRuntime(GatewayConfig(data_dir=str(tmp_path)))
    with pytest.raises(RuntimeUnavailable) as caught:
        runtime.list_instances("a-slot")
    return caught.value


def test_process_runtime_does_not_take_an_engine_for_absent_whose_record_it_cannot_read(
    unreadable: RuntimeUnavailable,
) -> None:
    assert unreadable.code == "runtime_unavailable"
    assert "records of engine processes" in str(unreadable)


def test_switch_that_waited_for_the_process_runtime_does_not_blame_docker(
    unreadable: RuntimeUnavailable,
) -> None:
    cause = explain_unavailable(unreadable, 30.0)

    assert cause.code == "runtime_unavailable"
    assert "no answer for 30 s" in cause.message
    assert "GATEWAY_DATA_DIR" in cause.advice
    assert "records of engine processes" in cause.evidence
    assert "Docker" not in f"{cause.message} {cause.advice} {cause.evidence}"


def test_start_that_the_process_runtime_could_not_make_says_what_to_do(
    unreadable: RuntimeUnavailable,
) -> None:
    cause = explain(unreadable)

    assert cause.code == "runtime_unavailable"
    assert "GATEWAY_DATA_DIR" in cause.advice


def test_switch_that_waited_for_docker_names_what_docker_said() -> None:
    refused = RuntimeUnavailable("Docker's socket refuses us.", code="docker_permission")

    cause = explain_unavailable(refused, 30.0)

    assert cause.code == "docker_permission"
    assert cause.evidence == "Docker's socket refuses us."
    assert "group docker" in cause.advice
