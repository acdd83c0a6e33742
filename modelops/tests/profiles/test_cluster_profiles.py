"""What a profile for a cluster may say, and what only such a one may."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.domain.profiles.reading import read_profile

BASE = {"slug": "a", "display_name": "A", "repository": "maker/model", "runtime": "ray"}


def find_refused(**values: Any) -> list[str]:
    """The fields that are wrong."""
    return [problem.field for problem in read_profile({**BASE, **values}).problems]


@pytest.mark.parametrize(
    ("values", "refused"),
    [
        ({"accelerator_type": "L40S", "replicas": 2, "max_replicas": 4}, []),
        ({"accelerator_type": "cpu"}, []),
        ({"replicas": 3, "max_replicas": 2}, ["max_replicas"]),
        ({"accelerator_type": "L40S; rm"}, ["accelerator_type"]),
        ({"gpu_selection": ["0"]}, ["gpu_selection"]),
        ({"enable_lora": True, "lora_adapters": {"sql": "maker/sql"}}, ["lora_adapters"]),
        ({"enable_sleep_mode": True}, ["enable_sleep_mode"]),
        ({"runtime": "process", "accelerator_type": "L40S"}, ["accelerator_type"]),
        ({"runtime": "process", "max_replicas": 2}, ["max_replicas"]),
    ],
)
def test_settings_of_a_cluster_and_of_one_machine_are_told_apart(
    values: dict[str, Any], refused: list[str]
) -> None:
    assert find_refused(**values) == refused
