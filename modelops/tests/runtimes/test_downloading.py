"""Weights are fetched before a start, by the real huggingface_hub, from a hub that does what we say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.tests.live import wait_until
from modelops.runtimes.base import FetchProgress, InstanceState, RuntimeFailure, Workload
from modelops.tests.runtimes.benches import HUB_SECRETS, SECRETS, Bench, DockerBench, ProcessBench
from modelops.tests.runtimes.model_hub import ModelHub, start_model_hub

REPOSITORY = "team/model"
READ = {"config.json": b"{}", "model.safetensors": b"w" * 100_000}
NEVER_READ = {"pytorch_model.bin": b"b" * 50, "original/consolidated.pth": b"p" * 50}
READ_BYTES = sum(map(len, READ.values()))


@pytest.fixture
def hub(bench: Bench) -> Iterator[ModelHub]:
    """At an address at which the engine sees it."""
    address = bench.engine.gateway_address if isinstance(bench, DockerBench) else "127.0.0.1"
    with start_model_hub(address, REPOSITORY, READ | NEVER_READ) as running:
        yield running


def make_workload(bench: Bench, hub_url: str, repository: str = REPOSITORY, *flags: str) -> Workload:
    home = str(bench.folder) if isinstance(bench, ProcessBench) else "/root/.cache/huggingface"
    environment = {
        "HF_ENDPOINT": hub_url,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": f"{home}/{bench.slot_id}",
    }
    return bench.workload(
        arguments=("serve", repository, *flags),
        environment=environment,
        secret_environment=SECRETS,
        hub_environment=HUB_SECRETS,
    )


def prefetch(bench: Bench, workload: Workload) -> list[FetchProgress]:
    reports: list[FetchProgress] = []
    bench.runtime.prefetch(workload, reports.append, threading.Event())
    return reports


def test_what_vllm_reads_is_fetched_once_and_counted(bench: Bench, hub: ModelHub) -> None:
    workload = make_workload(bench, hub.url)

    reports = prefetch(bench, workload)
    fetched = hub.fetched_files()
    hub.requests.clear()
    prefetch(bench, workload)

    assert reports[-1] == FetchProgress(f"weights of {REPOSITORY}", READ_BYTES, READ_BYTES)
    assert fetched == sorted(READ)
    assert hub.fetched_files() == []
    assert bench.runtime.status(workload.name).state is InstanceState.ABSENT
    assert list(bench.runtime.list_instances(bench.slot_id)) == []


@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        ("gated", "gated_repo"),
        ("nobody has it", "repository_missing"),
        ("the hub fails", "hub_unreachable"),
        ("nothing listens", "hub_unreachable"),
    ],
)
def test_a_download_that_fails_is_told_by_its_code(
    bench: Bench, hub: ModelHub, trouble: str, code: str
) -> None:
    hub.needed_token = "another-token" if trouble == "gated" else ""
    hub.failure = 500 if trouble == "the hub fails" else 0
    repository = "team/nothing" if trouble == "nobody has it" else REPOSITORY
    url = "http://127.0.0.1:9" if trouble == "nothing listens" else hub.url
    workload = make_workload(bench, url, repository)

    with pytest.raises(RuntimeFailure) as caught:
        prefetch(bench, workload)

    assert caught.value.code == code
    assert not any(secret in str(caught.value) for secret in (SECRETS | HUB_SECRETS).values())


def test_what_is_cached_is_enough_when_the_hub_is_away(bench: Bench, hub: ModelHub) -> None:
    workload = make_workload(bench, hub.url)
    prefetch(bench, workload)

    hub.failure = 503

    assert prefetch(bench, workload) == []


def test_the_token_reaches_the_hub(bench: Bench, hub: ModelHub) -> None:
    hub.needed_token = HUB_SECRETS["HF_TOKEN"]

    prefetch(bench, make_workload(bench, hub.url))

    assert hub.tokens == {f"Bearer {HUB_SECRETS['HF_TOKEN']}"}


def test_tokenizer_of_another_repository_is_fetched_without_its_weights(bench: Bench, hub: ModelHub) -> None:
    """So that the engine, which may not ask the hub, has both."""
    hub.also = "another/words"
    workload = make_workload(bench, hub.url, REPOSITORY, "--tokenizer", hub.also)

    reports = prefetch(bench, workload)

    size = len(READ["config.json"])
    assert reports[-1] == FetchProgress(f"tokenizer of {hub.also}", size, size)
    assert hub.fetched_files() == sorted(READ)
    assert hub.fetched_files(hub.also) == ["config.json"]


def test_a_download_is_given_up_when_told_to_stop(bench: Bench, hub: ModelHub) -> None:
    hub.answering.clear()
    stop = threading.Event()
    workload = make_workload(bench, hub.url)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(bench.runtime.prefetch, workload, lambda report: None, stop)
        wait_until(lambda: hub.requests or running.done(), what="the download to begin", timeout_s=30)

        stop.set()

        running.result(timeout=20)
    if isinstance(bench, DockerBench):
        names = [container.name for container in bench.engine.client().containers.list(all=True)]
        assert f"{workload.name}-download" not in names
