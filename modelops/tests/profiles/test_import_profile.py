"""`manage.py import_profile`: what people run on boxes of two cards loads as profiles, and is judged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from modelops.domain.profiles.engine_args import build_serve_arguments
from modelops.models import ModelProfile
from modelops.profiles.seed_yaml import parse_document
from modelops.simulator.flags import parse_command_line
from modelops.tests.profiles.fake_hub import COMMIT, FakeHub, FakeRepository, start_fake_hub

pytestmark = pytest.mark.django_db

FILES = Path(__file__).parent / "foreign"
CONFIGS: dict[str, Any] = json.loads((FILES / "configs.json").read_text(encoding="utf-8"))
CARDS = ("--gpu", "RTX 3090:24166", "--gpu", "RTX 3090:24166")


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """An entry of somebody else's file: what becomes of it, and what does not, with a part of the reason."""

    file: str
    slug: str
    entry: str = ""
    values: Mapping[str, Any]
    left_out: Mapping[str, str] = field(default_factory=dict)
    verdict: str = "fits"
    note: str = ""


FOREIGN = [
    Foreign(
        file="awq-yarn.sh",
        slug="qwen2.5-32b-instruct-awq",
        values={
            "tensor_parallel_size": 2,
            "max_model_len": 65536,
            "hf_overrides": {
                "rope_scaling": {
                    "rope_type": "yarn",
                    "factor": 4.0,
                    "original_max_position_embeddings": 32768,
                }
            },
            "aliases": ["gpt-4o"],
            "gpu_selection": ["0", "1"],
            "extra_flags": {"disable-custom-all-reduce": True, "enable-log-requests": False},
            "environment": {"NCCL_P2P_DISABLE": "1", "VLLM_WORKER_MULTIPROC_METHOD": "spawn"},
        },
        left_out={
            "source": "does not start an engine",
            "> vllm.log": "keeps the engine's log",
            ">& 1": "keeps the engine's log",
            "--host 0.0.0.0": "set by the gateway",
            "--port 8000": "set by the gateway",
            "--api-key": "set by the gateway",
            "--swap-space 16": "does nothing in newer versions",
            "--enable-auto-tool-choice": "follows from tool_call_parser",
        },
    ),
    Foreign(
        file="moe-ngram.sh",
        slug="qwen3-30b-a3b-gptq-int4",
        values={
            "speculative_config": {
                "method": "ngram",
                "num_speculative_tokens": 4,
                "prompt_lookup_max": 4,
                "prompt_lookup_min": 2,
            },
            "default_chat_template_kwargs": {"enable_thinking": False},
            "override_generation_config": {"temperature": 0.7, "top_k": 20, "top_p": 0.8},
            "extra_flags": {"enable-prefix-caching": True, "optimization-level": 3},
            "max_model_len": 32_000,
        },
        left_out={
            "--name vllm": "containers are made by the gateway",
            "--runtime nvidia": "containers are made by the gateway",
            "--ipc host": "containers are made by the gateway",
            "--publish 8000:8000": "only reached by the gateway",
            "--volume ~/.cache/huggingface:/root/.cache/huggingface": "mounts the cache of the weights",
            "HUGGING_FACE_HUB_TOKEN": "is a secret",
        },
        note="does not consider --optimization-level",
    ),
    Foreign(
        file="mtp.vllm.yaml",
        slug="mimo-7b-rl",
        values={
            "speculative_config": {"method": "mtp", "num_speculative_tokens": 1},
            "structured_outputs_config": {"backend": "xgrammar", "disable_any_whitespace": True},
            "extra_flags": {"async-scheduling": True, "disable-log-stats": True},
        },
        left_out={
            "--port 8000": "set by the gateway",
            "--trust-remote-code": "XiaomiMiMo/MiMo-7B-RL, which the setting TRUST_REMOTE_CODE_REPOSITORIES",
        },
    ),
    Foreign(
        file="vision.compose.yaml",
        entry="vision",
        slug="qwen2.5-vl-7b-instruct",
        values={
            "limit_mm_per_prompt": {"image": 8, "video": 0},
            "allowed_media_domains": ["upload.wikimedia.org", "images.example.org"],
            "gpu_selection": ["1"],
            "environment": {"NCCL_P2P_DISABLE": "1"},
        },
        left_out={
            "restart": "containers are made by the gateway",
            "ipc": "containers are made by the gateway",
            "ports": "only reached by the gateway",
            "volumes": "mounts the cache of the weights",
            "--allowed-local-media-path /data": "names a path",
            "HF_TOKEN": "is a secret",
        },
    ),
    Foreign(
        file="lora.sh",
        slug="llama-3.1-8b-instruct",
        values={
            "enable_lora": True,
            "lora_adapters": {"legal": "maker/llama-3.1-8b-legal-lora", "sql": "maker/llama-3.1-8b-sql-lora"},
            "max_loras": 2,
            "max_lora_rank": 64,
        },
        left_out={"--lora-modules.own": "neither a path nor a URL"},
    ),
    Foreign(
        file="embedding.sh",
        slug="qwen3-embedding-0.6b",
        values={
            "served_model_name": "text-embedding-3-small",
            "dtype": "float16",
            "hf_overrides": {"is_matryoshka": True},
            "extra_flags": {
                "runner": "pooling",
                "convert": "embed",
                "pooler-config": {"pooling_type": "LAST"},
            },
        },
        verdict="tight",
    ),
    Foreign(
        file="gpt-oss.compose.yaml",
        slug="gpt-oss-20b",
        values={
            "tensor_parallel_size": 2,
            "tool_call_parser": "openai",
            "extra_flags": {
                "async-scheduling": True,
                "compilation-config": {"cudagraph_mode": "FULL_AND_PIECEWISE"},
            },
            "environment": {"NCCL_P2P_DISABLE": "1", "VLLM_USE_FLASHINFER_SAMPLER": "0"},
        },
        left_out={
            "shm_size": "containers are made by the gateway",
            "volumes": "mounts the cache of the weights",
            "--enable-auto-tool-choice": "follows from tool_call_parser",
            "--compilation-config.backend": "would run code",
            "TIKTOKEN_ENCODINGS_BASE": "not on the list of variables",
        },
        note="does not consider --compilation-config",
    ),
    Foreign(
        file="llama-swap.yaml",
        entry="Qwen3 32B",
        slug="qwen3-32b",
        values={
            "repository": "Qwen/Qwen3-32B-AWQ",
            "aliases": ["qwen3", "gpt-4o-mini"],
            "tensor_parallel_size": 2,
            "max_model_len": 32768,
            "reasoning_parser": "qwen3",
            "extra_flags": {"disable-custom-all-reduce": True},
        },
        left_out={
            "--port ${PORT}": "ports are set by the gateway",
            "ttl": "stays loaded until another one is switched to",
            "filters": "override_generation_config",
            "Qwen3 32B": "must be a model name",
        },
    ),
    Foreign(
        file="llama-swap.yaml",
        entry="coder",
        slug="coder",
        values={"repository": "Qwen/Qwen2.5-Coder-14B-Instruct-AWQ", "max_model_len": 16384},
        left_out={
            "--rm": "containers are made by the gateway",
            "--name coder": "containers are made by the gateway",
            "--publish ${PORT}:8000": "only reached by the gateway",
            "proxy": "finds its engine by itself",
            "cmdStop": "stopped by the gateway",
        },
    ),
    Foreign(
        file="litellm.yaml",
        entry="qwen-team",
        slug="qwen-team",
        values={
            "runtime": "external",
            "repository": "Qwen/Qwen2.5-32B-Instruct-AWQ",
            "served_model_name": "Qwen/Qwen2.5-32B-Instruct-AWQ",
            "max_concurrent_requests": 16,
            "max_output_tokens": 8192,
            "cost_per_million_prompt_tokens": 0.5,
        },
        left_out={
            "api_base": "VLLM_BASE_URL: set it to http://10.0.0.5:8000",
            "api_key": "set VLLM_API_KEY",
            "rpm": "limits are set for accounts and keys",
        },
    ),
    Foreign(
        file="remote-code.sh",
        slug="internvl2-8b",
        values={
            "quantization": "auto_round",
            "limit_mm_per_prompt": {"image": 4},
            "kv_cache_dtype": "fp8",
            "environment": {"HF_HUB_OFFLINE": "1"},
        },
        left_out={
            "--chat-template /srv/templates/internvl.jinja": "never a path",
            '--kv-transfer-config {"kv_connector": "LMCacheConnectorV1", "kv_role": "kv_both"}': "leave it",
            "--enable-log-requests": "what users say",
            "--middleware my.module.Log": "would run code",
            "--trust-remote-code": "TRUST_REMOTE_CODE_REPOSITORIES does not name",
        },
        verdict="unknown",
    ),
]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with start_fake_hub() as running:
        for name, config in CONFIGS.items():
            running.repositories[name] = FakeRepository(files={"config.json": json.dumps(config).encode()})
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
        for name in ("HF_TOKEN", "HF_TOKEN_FILE", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        yield running


def run(*arguments: str) -> tuple[int, str, str]:
    output, errors = StringIO(), StringIO()
    try:
        call_command("import_profile", *arguments, stdout=output, stderr=errors)
    except SystemExit as exc:
        return int(exc.code or 0), output.getvalue(), errors.getvalue()
    return 0, output.getvalue(), errors.getvalue()


def refuse(*arguments: str) -> str:
    with pytest.raises(CommandError) as caught:
        call_command("import_profile", *arguments, stdout=StringIO(), stderr=StringIO())
    assert caught.value.returncode == 2
    return str(caught.value)


@pytest.mark.parametrize("foreign", FOREIGN, ids=lambda foreign: f"{foreign.file}-{foreign.slug}")
def test_what_people_run_loads_and_is_judged(hub: FakeHub, foreign: Foreign) -> None:
    chosen = ("--entry", foreign.entry) if foreign.entry else ()

    _code, output, _errors = run(str(FILES / foreign.file), *chosen, *CARDS, "--json")

    (entry,) = json.loads(output)["entries"]
    row = ModelProfile.objects.get()
    assert (row.slug, row.is_enabled) == (foreign.slug, False)
    assert {name: getattr(row, name) for name in foreign.values} == dict(foreign.values)
    left_out = {each["what"]: each["reason"] for each in entry["left_out"]}
    assert list(left_out) == list(foreign.left_out)
    assert all(reason in left_out[what] for what, reason in foreign.left_out.items())
    assert entry["fit"]["verdict"] == foreign.verdict
    assert foreign.note in " ".join(entry["fit"]["notes"])
    parse_command_line(build_serve_arguments(row.to_spec(), max_model_len=4096))


@pytest.mark.parametrize(
    ("file", "name", "reason"),
    [
        ("llama-swap.yaml", "small", "holds no start of vLLM"),
        ("litellm.yaml", "short-name", "say with --repository which repository it is"),
        ("litellm.yaml", "gpt-4o", "is the provider's own service"),
        ("litellm.yaml", "claude", "no engine of one's own"),
        ("vision.compose.yaml", "proxy", "does not look like an image of vLLM"),
    ],
)
def test_entry_that_starts_no_engine_is_refused_with_the_reason(file: str, name: str, reason: str) -> None:
    code, output, errors = run(str(FILES / file), "--entry", name, "--no-hub", *CARDS)

    assert (code, output) == (2, "")
    assert reason in errors
    assert not ModelProfile.objects.exists()


def test_every_entry_is_taken_at_once_and_each_line_is_explained(hub: FakeHub) -> None:
    code, output, errors = run(str(FILES / "llama-swap.yaml"), "--all", *CARDS)

    document = parse_document(output)
    assert (code, [entry.slug for entry in document.profiles], document.problems) == (
        0,
        ["qwen3-32b", "coder"],
        (),
    )
    assert set(ModelProfile.objects.values_list("revision", flat=True)) == {COMMIT}
    for line in (
        "== Qwen3 32B (configuration of llama-swap)",
        "  --tensor-parallel-size 2 → tensor_parallel_size: 2",
        "  --port ${PORT}: ports are set by the gateway",
        "No profile is made of it: command: holds no start of vLLM",
        "Stored as coder, disabled",
    ):
        assert line in errors


def test_dry_run_stores_nothing_and_asks_the_hub_only_where_it_may(hub: FakeHub) -> None:
    code, output, errors = run(str(FILES / "awq-yarn.sh"), "--dry-run", "--no-hub", *CARDS)

    assert (code, hub.requests, ModelProfile.objects.count()) == (4, [], 0)
    assert parse_document(output).profiles[0].slug == "qwen2.5-32b-instruct-awq"
    assert "Stored" not in errors


def test_model_that_the_hub_does_not_know_is_taken_with_a_warning(hub: FakeHub) -> None:
    code, _output, errors = run("--command", "vllm serve maker/unknown -tp 2", *CARDS)

    assert (code, ModelProfile.objects.get().tensor_parallel_size) == (4, 2)
    assert "The hub says nothing of the model: There is no repository maker/unknown" in errors


def test_folder_of_weights_needs_the_name_of_its_repository(hub: FakeHub) -> None:
    line = "vllm serve /models/awq --max-model-len 8192"
    name = "Qwen/Qwen2.5-32B-Instruct-AWQ"

    code, _output, errors = run("--command", line, *CARDS)
    taken, _output, explained = run("--command", line, "--repository", name, *CARDS)

    assert code == 2
    assert "neither a path nor a URL, not '/models/awq'; --repository says which one it is" in errors
    assert (taken, ModelProfile.objects.get().repository) == (0, name)
    assert f"/models/awq: {name} is taken instead" in explained


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/no/such/file"], "cannot be read"),
        ([str(FILES / "llama-swap.yaml")], "choose some with --entry, or --all: Qwen3 32B, coder, small"),
        ([str(FILES / "llama-swap.yaml"), "--entry", "big"], "there is no entry 'big'; there are: Qwen3 32B"),
        ([str(FILES / "llama-swap.yaml"), "--all", "--slug", "one"], "are for one entry"),
        (["--command", "ollama run x"], "holds no start of vLLM"),
        (["--command", "services: [\n"], "is not YAML"),
        (["--command", "models: {}\n"], "names no models"),
        (["--command", "model_list: []\n"], "names no models"),
        (["--command", "model: 7\n"], "names no model"),
    ],
)
def test_what_cannot_be_read_is_named(arguments: list[str], words: str) -> None:
    assert words in refuse(*arguments, "--no-hub", *CARDS)
