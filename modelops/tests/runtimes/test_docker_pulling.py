"""Pulling an image from a registry while the old engine serves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.tests.live import wait_until
from modelops.runtimes.base import FetchProgress, RuntimeFailure
from modelops.tests.runtimes.benches import DockerBench
from modelops.tests.runtimes.image_registry import LAYER_BYTES, LAYERS, ImageRegistry, start_registry

pytestmark = [pytest.mark.docker]


@pytest.fixture
def registry() -> Iterator[ImageRegistry]:
    with start_registry() as running:
        yield running


def prefetch(bench: DockerBench, image: str) -> tuple[str, list[FetchProgress]]:
    reports: list[FetchProgress] = []
    workload = bench.workload(image=image, arguments=("serve", "/local/model"))
    return bench.runtime.prefetch(workload, reports.append, threading.Event()), reports


def test_a_missing_image_is_pulled_and_its_digest_answered(
    docker_bench: DockerBench, registry: ImageRegistry
) -> None:
    digest, reports = prefetch(docker_bench, registry.image)

    assert digest == registry.digest
    assert {report.what for report in reports} == {f"image {registry.image}"}
    assert reports[-1].done_bytes == reports[-1].total_bytes
    assert reports[-1].done_bytes is not None
    assert reports[-1].done_bytes >= LAYERS * LAYER_BYTES
    assert registry.image in docker_bench.runtime.describe()["images"]


def test_a_present_image_is_not_pulled_again(docker_bench: DockerBench, registry: ImageRegistry) -> None:
    prefetch(docker_bench, registry.image)
    registry.is_denying = True

    by_tag, tag_reports = prefetch(docker_bench, registry.image)
    by_digest, digest_reports = prefetch(docker_bench, registry.digest)

    assert by_tag == by_digest == registry.digest
    assert tag_reports == digest_reports == []


def test_a_recorded_digest_is_pulled_when_it_is_gone_and_recorded_again(
    docker_bench: DockerBench, registry: ImageRegistry
) -> None:
    digest, _ = prefetch(docker_bench, registry.digest)
    workload = docker_bench.start(image=registry.digest)

    assert digest == registry.digest
    assert docker_bench.runtime.status(workload.name).image_digest == registry.digest


def test_progress_is_told_while_layers_come(docker_bench: DockerBench, registry: ImageRegistry) -> None:
    registry.flowing.clear()
    reports: list[FetchProgress] = []
    workload = docker_bench.workload(image=registry.image, arguments=("serve", "/local/model"))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(docker_bench.runtime.prefetch, workload, reports.append, threading.Event())
        wait_until(lambda: any(report.done_bytes for report in reports), what="a report")
        partly = next(report for report in reports if report.done_bytes)
        registry.flowing.set()
        running.result(timeout=30)

    assert partly.done_bytes is not None
    assert partly.done_bytes < LAYERS * LAYER_BYTES


def test_a_pull_is_given_up_at_once_when_told_to_stop(
    docker_bench: DockerBench, registry: ImageRegistry
) -> None:
    registry.flowing.clear()
    stop = threading.Event()
    workload = docker_bench.workload(image=registry.image)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(docker_bench.runtime.prefetch, workload, lambda report: None, stop)
        assert registry.held.wait(30)

        stop.set()

        assert running.result(timeout=10) == ""
    assert registry.broken_off.wait(30), "Docker went on pulling"
    assert registry.image not in docker_bench.runtime.describe()["images"]


@pytest.mark.parametrize(
    ("trouble", "code"),
    [("cut", "registry_unreachable"), ("deny", "registry_denied"), ("unknown tag", "image_missing")],
)
def test_what_a_registry_refuses_is_told_by_its_code(
    docker_bench: DockerBench, registry: ImageRegistry, trouble: str, code: str
) -> None:
    registry.is_cutting_layers = trouble == "cut"
    registry.is_denying = trouble == "deny"
    image = registry.image + ("-of-nobody" if trouble == "unknown tag" else "")

    with pytest.raises(RuntimeFailure) as caught:
        prefetch(docker_bench, image)

    assert caught.value.code == code


def test_a_registry_that_is_down_is_unreachable(docker_bench: DockerBench) -> None:
    with start_registry() as registry:
        image = registry.image

    with pytest.raises(RuntimeFailure, match="registry cannot be reached") as caught:
        prefetch(docker_bench, image)

    assert caught.value.code == "registry_unreachable"


def test_an_image_id_that_is_gone_cannot_be_pulled(docker_bench: DockerBench) -> None:
    with pytest.raises(RuntimeFailure, match="no registry") as caught:
        prefetch(docker_bench, f"sha256:{'0' * 64}")

    assert caught.value.code == "image_missing"
