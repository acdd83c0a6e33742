"""Profiles from compose files."""

from __future__ import annotations

import pytest

from gateway.errors import InvalidRequest
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.compose_file import read_services
from modelops.domain.profiles.imports.engine_call import EngineCommand
from modelops.domain.profiles.imports.imported_profile import ImportedProfile, import_call
from modelops.profiles.compose_yaml import MOST_BYTES, read_compose
from modelops.profiles.importing import SeveralEntries, import_source

FILE = """
x-cards: &cards
  deploy:
    resources:
      reservations:
        devices: [{driver: nvidia, device_ids: ["0", "1"], capabilities: [gpu]}]
services:
  proxy: {image: "nginx:1"}
  large:
    <<: *cards
    image: vllm/vllm-openai:${TAG:-v0.9.1}
    command: >
      --model maker/large --tensor-parallel-size 2
      --max-model-len ${LENGTH}
    environment:
      - HUGGING_FACE_HUB_TOKEN=${HF_TOKEN}
      - NCCL_P2P_DISABLE=1
      - PASSED_ON
    ports: ["8000:8000"]
    env_file: .env
  small:
    image: registry.local/llm:1
    entrypoint: ["python3", "-m", "vllm.entrypoints.openai.api_server"]
    command: ["--model", "maker/small", "--enforce-eager", "--max-num-seqs", 16]
    environment: {VLLM_USE_V1: 1}
    gpus: all
  scripted:
    image: registry.local/llm:1
    command: bash -c "pip install x && exec vllm serve maker/scripted"
    deploy: {resources: {reservations: {devices: [{count: 2}]}}}
"""


def read(name: str, text: str = FILE) -> ImportedProfile:
    found = read_services(read_compose(text))[name]
    assert isinstance(found, EngineCommand)
    return import_call(found)


def left_out(imported: ImportedProfile) -> dict[str, str]:
    return {each.what: each.reason for each in imported.left_out}


def test_service_with_its_command_as_text() -> None:
    imported = read("large")

    values = imported.values
    assert (values["repository"], values["tensor_parallel_size"]) == ("maker/large", 2)
    assert values["image"] == "vllm/vllm-openai:v0.9.1"
    assert values["gpu_selection"] == ["0", "1"]
    assert values["environment"] == {"NCCL_P2P_DISABLE": "1"}
    found = left_out(imported)
    assert set(found) == {
        *("--max-model-len", "HUGGING_FACE_HUB_TOKEN", "PASSED_ON", "ports", "env_file"),
    }
    assert "is a secret" in found["HUGGING_FACE_HUB_TOKEN"]
    assert "uses LENGTH" in found["--max-model-len"]


def test_service_with_its_command_as_a_list() -> None:
    imported = read("small")

    values = imported.values
    assert (values["repository"], values["enforce_eager"], values["max_num_seqs"]) == (
        "maker/small",
        True,
        16,
    )
    assert (values["image"], values["environment"]) == ("registry.local/llm:1", {"VLLM_USE_V1": "1"})
    assert imported.left_out == ()


def test_service_that_runs_a_shell() -> None:
    imported = read("scripted")

    assert imported.values["repository"] == "maker/scripted"
    assert set(left_out(imported)) == {"pip", "exec", "count: 2"}


def test_one_of_several_services_has_to_be_chosen() -> None:
    with pytest.raises(SeveralEntries) as caught:
        import_source(FILE)
    with pytest.raises(InvalidRequest, match="There is no entry 'nobody'; there are: proxy, large, small"):
        import_source(FILE, entry="nobody")

    assert caught.value.names == ("large", "small", "scripted")
    assert import_source(FILE, entry="small").repository == "maker/small"


def test_only_service_that_starts_an_engine_needs_no_choice() -> None:
    one = (
        "services: {db: {image: postgres}, one: {image: 'vllm/vllm-openai:v1', command: --model maker/model}}"
    )

    imported = import_source(one)

    assert imported.repository == "maker/model"


def test_file_without_an_engine_says_what_each_service_is() -> None:
    with pytest.raises(
        InvalidRequest, match=r"proxy: runs the image 'nginx', which .*; other: is no mapping"
    ):
        import_source("services: {proxy: {image: nginx}, other: text}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("services: {}", "there are no services"),
        ("service: {}", "a compose file names its containers there"),
        ("- one", "no mapping at its top"),
        ("", "no mapping at its top"),
        ("a: [1", "line 1: is not YAML"),
        ("a: 1\nb: {", "line 2: is not YAML"),
        ("a: !!python/object/apply:os.system [ls]", "a compose file names"),
        ("a: " + "[" * 30 + "]" * 30, "nests deeper"),
        ("a: &a\n  b: *a", "repeat more than can be read"),
        ("#" * (MOST_BYTES + 1), "is larger than"),
    ],
)
def test_file_that_makes_no_profile_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(FieldError, match=reason):
        read_services(read_compose(text))


@pytest.mark.parametrize("link", ["[*a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}]}}"])
def test_few_anchors_that_stand_for_much_are_refused(link: str) -> None:
    lines = ["a0: &a0 {x: 1}", *(f"a{n}: &a{n} {link.format(n - 1)}" for n in range(1, 19))]

    with pytest.raises(FieldError, match="repeat more than can be read"):
        read_compose("\n".join(lines))
