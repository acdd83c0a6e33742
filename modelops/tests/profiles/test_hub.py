"""Facts of a repository, asked by the real huggingface_hub of an imitated hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.conf import BASE_DIR
from gateway.env import ConfigurationError
from gateway.errors import GatewayError
from modelops.profiles import hub_errors
from modelops.profiles.adding import describe_facts
from modelops.profiles.hub import (
    HubSettings,
    count_weights,
    fetch_facts,
    fetch_facts_with_draft,
    read_hub_settings,
)
from modelops.simulator.process import find_free_port
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.profiles.fake_hub import (
    COMMIT,
    FakeHub,
    FakeRepository,
    safetensors_header,
    start_fake_hub,
)

TOKEN = "hf_do_not_print_me"
NAME = "maker/model-7b"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with start_fake_hub() as running:
        yield running


@pytest.fixture
def settings(hub: FakeHub, tmp_path: Path) -> HubSettings:
    return HubSettings(endpoint=hub.url, cache_dir=tmp_path / "cache", timeout_s=5)


def make_repository(**changes: Any) -> FakeRepository:
    config = json.dumps(make_config(**changes)).encode()
    return FakeRepository(files={"config.json": config})


def make_sharded(**changes: Any) -> FakeRepository:
    repository = make_repository(**changes)
    shards = {"model-00001-of-00002.safetensors": 10_000, "model-00002-of-00002.safetensors": 6_000}
    weight_map = {f"layer.{index}": name for index, name in enumerate(shards)}
    index = {"metadata": {"total_size": 99}, "weight_map": weight_map}
    repository.files["model.safetensors.index.json"] = json.dumps(index).encode()
    repository.sizes = {**shards, "consolidated.safetensors": 16_000, "pytorch_model.bin": 16_000}
    repository.parameters = {"BF16": 8_000}
    return repository


def test_config_commit_parameters_and_size_of_a_sharded_model(hub: FakeHub, settings: HubSettings) -> None:
    hub.repositories[NAME] = make_sharded()

    facts = fetch_facts(NAME, revision="v1", settings=settings)

    assert (facts.repository, facts.commit) == (NAME, COMMIT)
    assert facts.config == make_config()
    assert (facts.parameters, facts.weights_bytes) == (8_000, 16_000)
    assert not facts.is_from_cache


def test_a_single_file_is_read_by_its_header_where_the_hub_lists_no_parameters(
    hub: FakeHub, settings: HubSettings
) -> None:
    repository = make_repository()
    header = {"w": {"dtype": "F16", "shape": [10, 20], "data_offsets": [0, 400]}}
    repository.files["model.safetensors"] = safetensors_header(header) + b"\0" * 400
    hub.repositories[NAME] = repository

    facts = fetch_facts(NAME, settings=settings)

    assert facts.parameters == 200
    assert facts.weights_bytes == len(repository.files["model.safetensors"])


def test_packed_integers_are_not_taken_for_parameters(hub: FakeHub, settings: HubSettings) -> None:
    repository = make_sharded()
    repository.parameters = {"I32": 900, "F16": 100}
    hub.repositories[NAME] = repository

    facts = fetch_facts(NAME, settings=settings)

    assert (facts.parameters, facts.weights_bytes) == (None, 16_000)
    assert facts.parameters_by_dtype == {"I32": 900, "F16": 100}


@pytest.mark.parametrize(
    ("name", "content", "method"),
    [
        ("quant_config.json", {"w_bit": 4, "q_group_size": 128}, "awq"),
        ("quantize_config.json", {"bits": 4, "group_size": 128}, "gptq"),
        ("hf_quant_config.json", {"quantization": {"quant_algo": "FP8"}}, "modelopt"),
    ],
)
def test_quantization_that_stands_beside_config_json_is_added_to_it(
    hub: FakeHub, settings: HubSettings, name: str, content: dict[str, Any], method: str
) -> None:
    hub.repositories[NAME] = make_repository()
    hub.repositories[NAME].files[name] = json.dumps(content).encode()

    facts = fetch_facts(NAME, settings=settings)

    assert facts.config["quantization_config"] == {"quant_method": method, **content}


def test_draft_is_read_beside_the_model_and_left_out_where_there_is_none(
    hub: FakeHub, settings: HubSettings
) -> None:
    hub.repositories[NAME] = make_repository()
    hub.repositories["maker/draft"] = make_repository(num_hidden_layers=1)

    found = fetch_facts_with_draft(NAME, "maker/draft", settings=settings)
    missing = fetch_facts_with_draft(NAME, "maker/nowhere", settings=settings)

    assert (found.config["num_hidden_layers"], found.draft_config["num_hidden_layers"]) == (32, 1)
    assert describe_facts(found)["draft_config"] == found.draft_config
    assert "draft_config" not in describe_facts(missing)


def test_cached_repository_is_read_without_the_hub(hub: FakeHub, settings: HubSettings) -> None:
    hub.repositories[NAME] = make_sharded()
    fetch_facts(NAME, settings=settings)
    hub.requests.clear()

    facts = fetch_facts(NAME, revision=COMMIT, settings=replace(settings, is_offline=True))

    assert (facts.commit, facts.config, facts.is_from_cache) == (COMMIT, make_config(), True)
    assert facts.weights_bytes == 99
    assert hub.requests == []


def test_cache_answers_while_the_hub_is_down(hub: FakeHub, settings: HubSettings) -> None:
    hub.repositories[NAME] = make_sharded()
    fetch_facts(NAME, revision=COMMIT, settings=settings)
    hub.failure = 503

    assert fetch_facts(NAME, revision=COMMIT, settings=settings).is_from_cache


def test_the_token_is_sent_and_never_shown(hub: FakeHub, settings: HubSettings) -> None:
    hub.repositories[NAME] = make_repository()
    hub.repositories[NAME].needs_token = TOKEN
    with_token = replace(settings, token=TOKEN)

    facts = fetch_facts(NAME, settings=with_token)

    assert facts.is_gated
    assert set(hub.tokens) == {f"Bearer {TOKEN}"}
    assert TOKEN not in repr(with_token)


def fail(repository: str, settings: HubSettings, **options: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        fetch_facts(repository, settings=settings, **options)
    assert TOKEN not in str(caught.value)
    return caught.value


def test_gated_without_a_token_says_to_accept_the_licence(hub: FakeHub, settings: HubSettings) -> None:
    hub.repositories[NAME] = make_repository()
    hub.repositories[NAME].needs_token = "another"

    without = fail(NAME, settings)
    refused = fail(NAME, replace(settings, token=TOKEN))

    assert isinstance(without, hub_errors.RepositoryGated)
    assert "set HF_TOKEN" in without.message and f"{hub.url}/{NAME}" in without.message
    assert isinstance(refused, hub_errors.RepositoryGated)
    assert "has no access" in refused.message


def test_missing_repository_and_revision_are_told_apart(hub: FakeHub, settings: HubSettings) -> None:
    hub.repositories[NAME] = make_repository()

    no_repository = fail("maker/none", settings)
    no_revision = fail(NAME, settings, revision="v9")

    assert isinstance(no_repository, hub_errors.RepositoryMissing)
    assert (no_repository.param, no_revision.param) == ("repository", "revision")
    assert "v9" in no_revision.message


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (429, hub_errors.HubRateLimited, "HF_TOKEN"),
        (500, hub_errors.HubUnreachable, "500"),
        (504, hub_errors.HubTimeout, "too long"),
        (403, hub_errors.RepositoryGated, "gated"),
    ],
)
def test_a_hub_that_fails_is_named(
    hub: FakeHub, settings: HubSettings, status: int, kind: type[GatewayError], words: str
) -> None:
    hub.failure, hub.failure_headers = status, {"Retry-After": "7"}

    error = fail(NAME, settings)

    assert isinstance(error, kind)
    assert words in error.message


def test_rate_limit_keeps_the_hubs_waiting_time(hub: FakeHub, settings: HubSettings) -> None:
    hub.failure, hub.failure_headers = 429, {"Retry-After": "7"}

    assert fail(NAME, settings).headers == {"Retry-After": "7"}


def test_refused_token_is_told_from_a_missing_repository(hub: FakeHub, settings: HubSettings) -> None:
    hub.failure = 401
    hub.failure_headers = {"X-Error-Message": "Invalid credentials in Authorization header"}

    assert isinstance(fail(NAME, replace(settings, token=TOKEN)), hub_errors.HubTokenRefused)


def test_slow_hub_times_out(hub: FakeHub, settings: HubSettings) -> None:
    hub.delay_s = 1.0

    assert isinstance(fail(NAME, replace(settings, timeout_s=0.1)), hub_errors.HubTimeout)


def test_no_hub_at_the_address(settings: HubSettings) -> None:
    nobody = replace(settings, endpoint=f"http://127.0.0.1:{find_free_port()}")

    error = fail(NAME, nobody)

    assert isinstance(error, hub_errors.HubUnreachable)
    assert "HF_ENDPOINT" in error.message


def test_address_that_is_no_hub(hub: FakeHub, settings: HubSettings) -> None:
    hub.failure = 200

    assert "does not answer as a hub" in fail(NAME, settings).message


def test_offline_without_a_cache_says_so(settings: HubSettings) -> None:
    error = fail(NAME, replace(settings, is_offline=True))

    assert isinstance(error, hub_errors.NotInCache)
    assert "HF_HUB_OFFLINE" in error.message


@pytest.mark.parametrize("name", ["a/b/c", "https://huggingface.co/a/b", "a b", "../etc/passwd", ""])
def test_bad_names_never_reach_the_hub(hub: FakeHub, settings: HubSettings, name: str) -> None:
    assert isinstance(fail(name, settings), hub_errors.BadRepositoryName)
    assert hub.requests == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"model-Q4_K_M.gguf": b""}, "GGUF"),
        ({"adapter_config.json": b"{}"}, "LoRA"),
        ({"model_index.json": b"{}"}, "image pipeline"),
        ({"README.md": b""}, "no config.json"),
        ({"config.json": b"<html>"}, "not JSON"),
        ({"config.json": b"[]"}, "not a JSON object"),
    ],
)
def test_what_is_no_transformers_model_is_explained(
    hub: FakeHub, settings: HubSettings, files: dict[str, bytes], words: str
) -> None:
    hub.repositories[NAME] = FakeRepository(files=files)

    error = fail(NAME, settings)

    assert isinstance(error, hub_errors.NotATransformersRepository)
    assert words in error.message


def test_weights_without_an_index_are_the_single_file_or_every_shard() -> None:
    copies = {"consolidated.safetensors": 5, "original/model.safetensors": 5, "pytorch_model.bin": 5}

    assert count_weights({"model.safetensors": 7, "extra.safetensors": 1, **copies}, {}) == 7
    assert count_weights({"a.safetensors": 7, "b.safetensors": 1, **copies}, {}) == 8
    assert count_weights(copies, {}) == 5
    assert count_weights({"model.safetensors": None}, {}) is None


def test_settings_come_from_the_given_environment_alone(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN)
    environment = {
        "HF_TOKEN_FILE": str(secret),
        "HF_ENDPOINT": "https://mirror.example/",
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": "/cache",
        "HF_HUB_ETAG_TIMEOUT": "3",
    }

    assert read_hub_settings({}) == HubSettings()
    assert read_hub_settings(environment) == HubSettings(
        "https://mirror.example", TOKEN, Path("/cache"), True, 3.0
    )


@pytest.mark.parametrize("name", ["HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_HUB_ETAG_TIMEOUT"])
def test_a_bad_variable_is_named(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        read_hub_settings({name: "what"})


def test_image_names_a_cache_that_it_may_write_for_the_hubs_files() -> None:
    """Its user has no home and its root cannot be written; what Compose lets it write are these."""
    lines = (BASE_DIR / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    set_by_image = dict(
        pair.split("=", 1) for line in lines if line.startswith("ENV ") for pair in line.split()[1:]
    )
    services = yaml.safe_load((BASE_DIR / "docker-compose.yml").read_text())["services"]

    cache = read_hub_settings(set_by_image).cache_dir

    assert cache is not None
    for name in ("web", "switcher"):
        writable = [mount.partition(":")[0] for mount in services[name]["tmpfs"]]
        assert any(cache.is_relative_to(folder) for folder in writable)
