"""`manage.py recommend` and `manage.py add_profile`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from modelops.models import HardwareProfile, ModelProfile
from modelops.profiles.adding import duplicate_profile
from modelops.profiles.seed_yaml import parse_document
from modelops.profiles.seeding import load_profiles
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.fit_rows import record, save_large, save_profile, save_simulated
from modelops.tests.profiles.fake_hub import COMMIT, FakeHub, FakeRepository, start_fake_hub

pytestmark = pytest.mark.django_db

CARD = "RTX 3090:24166"
NAME = "maker/Model-8B"


def run(command: str, *arguments: str) -> tuple[int, str]:
    output = StringIO()
    try:
        call_command(command, *arguments, stdout=output, stderr=StringIO())
    except SystemExit as exc:
        return int(exc.code or 0), output.getvalue()
    return 0, output.getvalue()


def refuse(command: str, *arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command(command, *arguments, stdout=StringIO(), stderr=StringIO())
    assert caught.value.returncode == 2
    return str(caught.value)


def test_enabled_profiles_are_ranked_with_what_they_would_do() -> None:
    save_profile("eight")
    save_profile("twelve", config=make_config(num_hidden_layers=48))
    save_large()
    save_simulated()
    save_profile("hidden", is_enabled=False)

    _code, output = run("recommend", "--gpu", CARD, "--gpu", CARD, "--json")

    ranked = json.loads(output)["recommendations"]
    assert [(each["id"], each["verdict"]) for each in ranked] == [
        ("twelve", "fits"),
        ("eight", "fits"),
        ("pretend", "fits"),
        ("large", "does_not_fit"),
    ]
    assert [each["tensor_parallel_size"] for each in ranked[:2]] == [2, 1]
    assert [each["context"] for each in ranked[:3]] == [8192, 8192, 4096]
    assert ranked[0]["why"].startswith("2 cards, because with 1: weights")
    assert all(each["max_concurrency"] >= 1 for each in ranked[:2])


def test_ranking_is_readable_and_about_the_cards_that_the_sampler_saw() -> None:
    save_profile("eight")
    record()

    _code, output = run("recommend")

    assert output.startswith("On 2 × NVIDIA GeForce RTX 3090 (23.6 GiB, 23.6 free) (as read):")
    assert [line.split()[:3] for line in output.splitlines()[1:3]] == [
        ["verdict", "profile", "TP"],
        ["fits", "eight", "1"],
    ]


def test_a_planned_machine_can_be_asked_about() -> None:
    save_large()
    HardwareProfile.objects.create(slug="quad", display_name="4 × A100", gpu_name="A100 80GB", gpu_count=4)

    _code, output = run("recommend", "--hardware", "quad", "--json")

    content = json.loads(output)
    assert content["hardware"]["source"] == "hardware profile quad"
    assert (content["recommendations"][0]["verdict"], len(content["hardware"]["gpus"])) == ("fits", 4)


def test_what_a_profile_needs_is_found_the_other_way_round() -> None:
    save_large()

    _code, output = run("recommend", "--for", "large", "--json")
    _code, table = run("recommend", "--for", "large")

    needs = json.loads(output)["needs"]
    assert needs[0]["has_full_context"]
    assert needs[0]["total_bytes"] > 140 << 30
    assert {"card", "count", "tensor_parallel_size", "context", "verdict"} <= set(needs[0])
    assert table.splitlines()[2].startswith(f"{needs[0]['count']} × {needs[0]['card']}")


def test_a_simulated_profile_needs_nothing() -> None:
    save_simulated()

    assert "needs no GPU" in run("recommend", "--for", "pretend")[1]


def test_mistakes_are_named() -> None:
    assert "--for: There is no profile 'none'" in refuse("recommend", "--for", "none")
    assert "--for goes without" in refuse("recommend", "--for", "none", "--gpu", CARD)
    assert "--hardware: There is no hardware profile" in refuse("recommend", "--hardware", "none")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """A hub with one 8B model, which the command finds by the usual variables."""
    with start_fake_hub() as running:
        config = json.dumps(make_config(max_position_embeddings=16384)).encode()
        repository = FakeRepository({"config.json": config}, {"model.safetensors": 16_060_522_904})
        repository.parameters = {"BF16": 8_030_261_248}
        running.repositories[NAME] = repository
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
        for name in ("HF_TOKEN", "HF_TOKEN_FILE", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        yield running


def test_added_profile_is_complete_disabled_and_pinned(hub: FakeHub) -> None:
    code, output = run("add_profile", NAME, "--gpu", CARD, "--gpu", CARD)

    profile = ModelProfile.objects.get(slug="model-8b")
    profile.full_clean()
    assert code == 0
    assert (profile.is_enabled, profile.repository, profile.revision) == (False, NAME, COMMIT)
    assert (profile.parameters, profile.weights_bytes) == (8_030_261_248, 16_060_522_904)
    assert (profile.max_model_len, profile.tensor_parallel_size) == (16384, 1)
    assert NAME in profile.facts_source
    assert [entry.slug for entry in parse_document(output).profiles] == ["model-8b"]


def test_printed_yaml_loads_as_the_stored_profile(hub: FakeHub) -> None:
    _code, output = run("add_profile", NAME, "--gpu", CARD, "--slug", "mine")

    result = load_profiles(output, dry_run=True)

    assert (result.invalid, result.profiles.unchanged) == ((), ("mine",))


def test_dry_run_stores_nothing(hub: FakeHub) -> None:
    code, output = run("add_profile", NAME, "--gpu", CARD, "--dry-run", "--json")

    content = json.loads(output)
    assert (code, content["saved"], content["fit"]["verdict"]) == (0, False, "fits")
    assert content["facts"]["commit"] == COMMIT
    assert not ModelProfile.objects.exists()


def test_model_that_cannot_fit_is_still_described_and_the_exit_code_says_so(hub: FakeHub) -> None:
    huge = make_config(hidden_size=16384, num_hidden_layers=120, num_attention_heads=128)
    hub.repositories[NAME].files["config.json"] = json.dumps(huge).encode()
    hub.repositories[NAME].sizes, hub.repositories[NAME].parameters = {}, None

    code, output = run("add_profile", NAME, "--gpu", CARD, "--json")

    content = json.loads(output)
    assert (code, content["fit"]["verdict"]) == (3, "does_not_fit")
    assert content["fit"]["reasons"]


def test_proposal_knows_from_the_sampler_that_cards_have_no_direct_path(hub: FakeHub) -> None:
    config = make_config(num_hidden_layers=48)
    hub.repositories[NAME].files["config.json"] = json.dumps(config).encode()
    hub.repositories[NAME].sizes, hub.repositories[NAME].parameters = {}, None
    record()

    run("add_profile", NAME)

    profile = ModelProfile.objects.get()
    assert (profile.tensor_parallel_size, profile.environment) == (2, {"NCCL_P2P_DISABLE": "1"})
    assert profile.extra_flags == {"disable-custom-all-reduce": True}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["maker/none"], "no repository maker/none"),
        ([NAME, "--revision", "v9"], "no revision 'v9'"),
        (["not a name"], "owner/name"),
        ([NAME, "--slug", "Not A Slug"], "slug: must be"),
        ([NAME, "--slug", "taken"], "There is a profile 'taken' already"),
    ],
)
def test_what_cannot_be_added_is_explained(hub: FakeHub, arguments: list[str], words: str) -> None:
    save_profile("taken")

    assert words in refuse("add_profile", *arguments, "--gpu", CARD)
    assert ModelProfile.objects.count() == 1


def test_settings_of_a_command_are_taken_over_and_the_rest_is_named(hub: FakeHub) -> None:
    line = f"NCCL_P2P_DISABLE=1 vllm serve {NAME} -tp 2 --max-model-len 8k --port 8000"

    code, output = run("add_profile", "--from-command", line, "--gpu", CARD, "--gpu", CARD, "--json")

    content, profile = json.loads(output), ModelProfile.objects.get(slug="model-8b")
    assert (code, content["fit"]["verdict"]) == (0, "fits")
    assert [each["what"] for each in content["left_out"]] == ["--port 8000"]
    assert (profile.tensor_parallel_size, profile.max_model_len) == (2, 8000)
    assert (profile.revision, profile.environment) == (COMMIT, {"NCCL_P2P_DISABLE": "1"})


def test_settings_of_a_service_are_taken_over(hub: FakeHub, tmp_path: Path) -> None:
    path = tmp_path / "compose.yml"
    service = f"{{image: 'vllm/vllm-openai:v0.9.1', command: ['--model', '{NAME}', '--enforce-eager']}}"
    path.write_text(f"services: {{one: {service}, two: {service}}}")

    _code, output = run("add_profile", "--from-compose", str(path), "--service", "two", "--gpu", CARD)

    (entry,) = parse_document(output).profiles
    assert (entry.values["enforce_eager"], entry.values["image"]) == (True, "vllm/vllm-openai:v0.9.1")
    assert "choose one" in refuse("add_profile", "--from-compose", str(path), "--gpu", CARD)


def test_settings_of_a_command_are_kept_while_the_hub_is_away(hub: FakeHub) -> None:
    hub.failure = 503
    line = f"vllm serve {NAME} --max-model-len 8k"

    code, output = run("add_profile", "--from-command", line, "--gpu", CARD, "--json")

    content, profile = json.loads(output), ModelProfile.objects.get(slug="model-8b")
    assert (code, content["fit"]["verdict"], content["facts"]) == (4, "unknown", None)
    assert (profile.max_model_len, profile.is_enabled) == (8000, False)
    assert "answered 503" in content["advice"][0]
    assert "manage.py check_fit model-8b" in content["advice"][0]


def test_missing_repository_of_a_command_is_refused(hub: FakeHub) -> None:
    assert "no repository" in refuse("add_profile", "--from-command", "vllm serve x/y", "--gpu", CARD)
    assert not ModelProfile.objects.exists()


def test_command_for_cards_that_were_linked_is_told_what_these_need(hub: FakeHub) -> None:
    line = f"vllm serve {NAME} -tp 2"
    cards = ("--gpu", CARD, "--gpu", CARD, "--dry-run", "--json")

    def advice(line: str) -> list[str]:
        told: list[str] = json.loads(run("add_profile", "--from-command", line, *cards)[1])["advice"]
        return told

    assert "disable-custom-all-reduce: True, NCCL_P2P_DISABLE: 1" in advice(line)[0]
    assert advice(f"NCCL_P2P_DISABLE=1 {line} --disable-custom-all-reduce") == []
    assert advice(f"vllm serve {NAME} -tp 1") == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "one of them"),
        ([NAME, "--from-command", "vllm serve x/y"], "one of them"),
        ([NAME, "--service", "one"], "goes with --from-compose"),
        (["--from-compose", "/no/such/file"], "cannot be read"),
        (["--from-command", "ollama run x"], "holds no start of vLLM"),
    ],
)
def test_sources_that_cannot_be_read_are_named(hub: FakeHub, arguments: list[str], words: str) -> None:
    assert words in refuse("add_profile", *arguments, "--gpu", CARD)
    assert not ModelProfile.objects.exists()


def test_config_that_is_not_understood_is_explained(hub: FakeHub) -> None:
    strange = make_config(model_type="new", architectures=["New"], rwkv_version=7)
    hub.repositories[NAME].files["config.json"] = json.dumps(strange).encode()

    assert "rwkv_version" in refuse("add_profile", NAME, "--gpu", CARD)


def test_bad_variable_of_the_hub_is_named(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "ftp://nowhere")

    assert "HF_ENDPOINT" in refuse("add_profile", NAME, "--gpu", CARD)


def test_copy_is_disabled_and_has_a_name_of_its_own() -> None:
    changes: dict[str, Any] = {"is_default": True, "aliases": ["gpt"], "served_model_name": "eight"}
    original = save_profile("eight", **changes)

    copies = [duplicate_profile(original).slug for _ in range(3)]

    copy = ModelProfile.objects.get(slug="eight-copy")
    assert copies == ["eight-copy", "eight-copy-2", "eight-copy-3"]
    assert (copy.is_enabled, copy.is_default, copy.aliases, copy.served_model_name) == (
        False,
        False,
        ["gpt"],
        "",
    )
    assert copy.config == original.config
