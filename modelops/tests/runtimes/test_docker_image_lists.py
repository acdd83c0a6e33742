"""ENGINE_IMAGES, as the Docker driver enforces it at each start and each fetch."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from modelops.runtimes.base import ImageRefused, InstanceState
from modelops.runtimes.docker_runtime import DockerRuntime
from modelops.tests.runtimes.benches import DockerBench

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.docker]


@pytest.fixture
def strict(docker_bench: DockerBench) -> Iterator[DockerRuntime]:
    runtime = DockerRuntime(replace(docker_bench.config, engine_images=("vllm/vllm-openai:*",)))
    yield runtime
    runtime.close()


def test_image_that_is_not_listed_is_neither_fetched_nor_started(
    docker_bench: DockerBench, strict: DockerRuntime
) -> None:
    workload = docker_bench.workload()

    with pytest.raises(ImageRefused, match="gateway-test/vllm"):
        strict.prefetch(workload, lambda report: None, threading.Event())
    with pytest.raises(ImageRefused) as caught:
        strict.start(workload)

    assert caught.value.code == "image_refused"
    assert docker_bench.runtime.status(workload.name).state is InstanceState.ABSENT


def test_listed_name_does_not_lend_itself_to_a_digest_of_another_image(
    docker_bench: DockerBench, strict: DockerRuntime
) -> None:
    """As an engine's row would hold it after somebody changed its recorded digest."""
    id_of_ours = docker_bench.engine.client().images.get(docker_bench.image).id

    for digest in (id_of_ours, "evil.example/vllm@sha256:" + "a" * 64, "sha256:" + "a" * 64):
        workload = docker_bench.workload(image=digest, image_name="vllm/vllm-openai:v1")
        with pytest.raises(ImageRefused):
            strict.start(workload)
        assert docker_bench.runtime.status(workload.name).state is InstanceState.ABSENT


@pytest.mark.parametrize("still_has_its_tag", [True, False], ids=["tagged", "replaced by a newer build"])
def test_recorded_id_of_an_image_that_was_built_here_is_started(
    docker_bench: DockerBench, strict: DockerRuntime, still_has_its_tag: bool
) -> None:
    api = docker_bench.engine.client().api
    container = api.create_container(docker_bench.image)
    made = api.commit(container, "vllm/vllm-openai", "built-here")["Id"]
    api.remove_container(container)
    workload: Any = docker_bench.workload(image=made, image_name="vllm/vllm-openai:built-here")
    if not still_has_its_tag:
        api.tag(docker_bench.image, "vllm/vllm-openai", "built-here", force=True)

    try:
        instance = strict.start(workload)
    finally:
        api.remove_image("vllm/vllm-openai:built-here", force=True, noprune=True)

    assert instance.state is InstanceState.RUNNING
