"""What rows say of engines is checked again before it is started, whoever wrote it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.tests.databases import Stores
from gateway.tests.docker_engine.daemon import DockerEngine
from modelops.tests.switcher.bench import SwitchBench, open_bench
from modelops.tests.switcher.test_failures import profile_of


def restart_changed(bench: SwitchBench, **values: Any) -> dict[str, Any]:
    """The rows after the engine's row was changed and its process died. Without its profile nothing but that
    row says how to start it again."""
    before = bench.look()
    bench.order("change_engine", name=before["engines"][-1]["name"], **values)
    bench.order("delete_profile", slug="a")
    bench.kill_workload(before["workloads"][0])
    bench.wait_until(lambda: len(bench.look()["switches"]) > len(before["switches"]))
    return bench.wait_until_settled()


@pytest.mark.parametrize(
    "values",
    [
        {"arguments": ["serve", "a", "--trust-remote-code"]},
        {"environment": {"LD_PRELOAD": "/tmp/evil.so"}},
    ],
    ids=["arguments", "environment"],
)
def test_stored_engine_that_no_profile_could_give_is_not_started(
    bench: SwitchBench, values: dict[str, Any]
) -> None:
    bench.save_profile("a")
    bench.start_switcher()
    bench.switch_and_settle("a")

    rows = restart_changed(bench, **values)

    assert rows["switches"][-1]["state"] == "degraded"
    assert rows["slot"]["problem"]["code"] == "recipe_refused"
    assert rows["workloads"] == []


@pytest.mark.docker
def test_image_that_the_switcher_does_not_allow_is_started_by_no_way(
    stores: Stores, tmp_path: Path, docker_engine: DockerEngine, simulator_image: str
) -> None:
    """Neither by a switch, which leaves the old model alone, nor by the row of an engine that ran before."""
    client = docker_engine.client()
    client.api.tag(simulator_image, "nobody/evil", "v1")
    settings = {"DOCKER_HOST": docker_engine.host, "ENGINE_IMAGES": "gateway-test/*:*"}
    try:
        with open_bench(stores, tmp_path, **settings) as bench:
            bench.save_profile("a", runtime="docker", image=simulator_image)
            bench.save_profile("evil", runtime="docker", image="nobody/evil:v1")
            bench.start_switcher()
            assert bench.switch_and_settle("a")["state"] == "active", bench.switcher_log()[-3000:]

            with pytest.raises(AssertionError, match=r"Engines may not run nobody/evil:v1"):
                bench.request("evil")
            assert profile_of(bench.look()) == "a"
            asked_by_row = bench.order("insert_switch", profile="evil", force=True)["switch"]
            bench.wait_until_settled()
            refused = bench.find_switch(asked_by_row)
            served = profile_of(bench.look())
            rows = restart_changed(bench, image="nobody/evil:v1", image_digest="")
    finally:
        client.api.remove_image("nobody/evil:v1", noprune=True)
        client.close()

    assert (refused["state"], refused["root_cause"]["code"], served) == ("rejected", "image_refused", "a")
    assert rows["switches"][-1]["state"] == "degraded"
    assert rows["slot"]["problem"]["code"] == "image_refused"
    assert rows["slot"]["problem"]["message"] == "Engines may not run nobody/evil:v1."
    assert rows["workloads"] == []
