"""Facts of a Hugging Face repository: its config.json, how large its weights are, and at which commit.

Reads at most a few small files and the repository's listing, never weights. Everything is asked
through huggingface_hub, with the token, address, cache and time limit of `HubSettings`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from huggingface_hub.errors import NotASafetensorsRepoError

from gateway.env import parse_boolean, read_value, seconds, url_with_scheme
from gateway.errors import GatewayError
from gateway.wording import fill_in
from modelops.domain.fit.specs import CheckpointFacts
from modelops.profiles.hub_errors import (
    HubRateLimited,
    HubTimeout,
    HubUnreachable,
    NotATransformersRepository,
    translated_errors,
)

PUBLIC_HUB = "https://huggingface.co"
INDEX_FILES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
QUANTIZATION_FILES = {
    "hf_quant_config.json": "modelopt",
    "quant_config.json": "awq",
    "quantize_config.json": "gptq",
}
"""Files in which some quantizers put what others write into config.json, with the method of each. vLLM reads
the same ones."""

_WHOLE_DTYPES = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
"""One element is one parameter; integers hold several packed ones."""
_NOT_THE_MODEL = ("consolidated", "adapter", "optimizer", "training_args", "rust_model", "tf_model")
_USER_AGENT = "vllm-chat-gateway"


@dataclass(frozen=True)
class HubSettings:
    """How to reach the hub. The token is left out of every representation."""

    endpoint: str = PUBLIC_HUB
    token: str | None = field(default=None, repr=False)
    cache_dir: Path | None = None
    is_offline: bool = False
    timeout_s: float = 10.0


@dataclass(frozen=True)
class RepositoryFacts:
    """What one commit of a repository says of its model. None means not known."""

    repository: str
    commit: str
    config: Mapping[str, Any]
    parameters: int | None = None
    parameters_by_dtype: Mapping[str, int] = field(default_factory=dict)
    weights_bytes: int | None = None
    is_gated: bool = False
    is_from_cache: bool = False
    draft_config: Mapping[str, Any] = field(default_factory=dict)
    """Of the model that guesses tokens for it, where one is named and told of."""

    @property
    def checkpoint(self) -> CheckpointFacts:
        return CheckpointFacts(parameters=self.parameters, weights_bytes=self.weights_bytes)


def read_hub_settings(environment: Mapping[str, str]) -> HubSettings:
    """The hub's usual variables (HF_TOKEN or HF_TOKEN_FILE, HF_ENDPOINT, HF_HUB_OFFLINE, HF_HUB_CACHE,
    HF_HUB_ETAG_TIMEOUT). Raises ConfigurationError naming the bad one.
    """
    endpoint = read_value(environment, "HF_ENDPOINT")
    cache = read_value(environment, "HF_HUB_CACHE")
    offline = read_value(environment, "HF_HUB_OFFLINE")
    timeout = read_value(environment, "HF_HUB_ETAG_TIMEOUT")
    return HubSettings(
        endpoint=url_with_scheme("http", "https")("HF_ENDPOINT", endpoint) if endpoint else PUBLIC_HUB,
        token=read_value(environment, "HF_TOKEN"),
        cache_dir=Path(cache) if cache else None,
        is_offline=parse_boolean("HF_HUB_OFFLINE", offline) if offline else False,
        timeout_s=seconds(0.1)("HF_HUB_ETAG_TIMEOUT", timeout) if timeout else HubSettings.timeout_s,
    )


def fetch_facts(repository: str, *, revision: str | None = None, settings: HubSettings) -> RepositoryFacts:
    """The facts of `repository` at a branch, tag or commit.

    Falls back to the local cache when the hub is off, slow or down. Raises one of `hub_errors`.
    """
    reader = _Reader(repository, revision, settings)
    if settings.is_offline:
        return reader.read_cached()
    try:
        return reader.read_remote()
    except (HubUnreachable, HubTimeout, HubRateLimited) as unreachable:
        try:
            return reader.read_cached()
        except GatewayError:
            raise unreachable from None


def fetch_facts_with_draft(
    repository: str, draft: str, *, revision: str | None = None, settings: HubSettings
) -> RepositoryFacts:
    """The facts of `repository`, with the config.json of what guesses tokens for it ("" for none).

    A draft that the hub does not tell of leaves no error: the fit check says that it is not known.
    """
    facts = fetch_facts(repository, revision=revision, settings=settings)
    if not draft:
        return facts
    try:
        return replace(facts, draft_config=fetch_facts(draft, settings=settings).config)
    except GatewayError:
        return facts


@dataclass(frozen=True)
class _Reader:
    repository: str
    revision: str | None
    settings: HubSettings

    def read_remote(self) -> RepositoryFacts:
        settings = self.settings
        with translated_errors(
            self.repository,
            revision=self.revision,
            endpoint=settings.endpoint,
            has_token=bool(settings.token),
        ):
            api = HfApi(endpoint=settings.endpoint, token=settings.token or False, library_name=_USER_AGENT)
            info = api.model_info(
                self.repository, revision=self.revision, files_metadata=True, timeout=settings.timeout_s
            )
            sizes = {file.rfilename: file.size for file in info.siblings or []}
            commit = info.sha or self.revision or "main"
            _require_config(self.repository, sizes)
            pinned = replace(self, revision=commit)
            by_dtype = dict(info.safetensors.parameters) if info.safetensors else {}
            facts = pinned.describe(sizes, commit, by_dtype or pinned.read_headers(api, sizes))
        return replace(facts, is_gated=bool(info.gated))

    def read_cached(self) -> RepositoryFacts:
        with translated_errors(
            self.repository, revision=self.revision, endpoint=self.settings.endpoint, has_token=False
        ):
            local = replace(self, settings=replace(self.settings, is_offline=True))
            snapshot = local.find_file("config.json").parent
            sizes = {
                str(path.relative_to(snapshot)): path.stat().st_size
                for path in snapshot.rglob("*")
                if path.is_file()
            }
            pinned = replace(local, revision=snapshot.name)
            return replace(pinned.describe(sizes, snapshot.name, {}), is_from_cache=True)

    def describe(
        self, sizes: Mapping[str, int | None], commit: str, by_dtype: Mapping[str, int]
    ) -> RepositoryFacts:
        config = self.add_quantization(self.read_json("config.json"), sizes)
        index_name = next((name for name in INDEX_FILES if name in sizes), None)
        index = self.read_json(index_name) if index_name else {}
        is_whole = bool(by_dtype) and set(by_dtype) <= _WHOLE_DTYPES
        return RepositoryFacts(
            repository=self.repository,
            commit=commit,
            config=config,
            parameters=sum(by_dtype.values()) if is_whole else None,
            parameters_by_dtype=by_dtype,
            weights_bytes=count_weights(sizes, index),
        )

    def add_quantization(self, config: dict[str, Any], sizes: Mapping[str, int | None]) -> dict[str, Any]:
        if config.get("quantization_config") or config.get("compression_config"):
            return config
        for name, method in QUANTIZATION_FILES.items():
            if name in sizes:
                return {**config, "quantization_config": {"quant_method": method, **self.read_json(name)}}
        return config

    def read_headers(self, api: HfApi, sizes: Mapping[str, int | None]) -> dict[str, int]:
        """Parameters by dtype from the files' own headers, for a hub (a mirror) that does not list them."""
        if "model.safetensors" not in sizes:
            return {}
        try:
            metadata = api.get_safetensors_metadata(
                self.repository, revision=self.revision, timeout=self.settings.timeout_s
            )
        except NotASafetensorsRepoError:
            return {}
        return {str(dtype): count for dtype, count in metadata.parameter_count.items()}

    def read_json(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads(self.find_file(name).read_text(encoding="utf-8"))
        except (ValueError, UnicodeDecodeError) as exc:
            raise NotATransformersRepository(
                fill_in(
                    "{repository}: {name} is not JSON ({problem})",
                    repository=self.repository,
                    name=name,
                    problem=exc,
                )
            ) from exc
        if not isinstance(content, dict):
            raise NotATransformersRepository(
                fill_in("{repository}: {name} is not a JSON object", repository=self.repository, name=name)
            )
        return content

    def find_file(self, name: str) -> Path:
        """The file in the local cache, fetched first unless offline."""
        path = hf_hub_download(
            self.repository,
            name,
            revision=self.revision,
            endpoint=self.settings.endpoint,
            token=self.settings.token or False,
            cache_dir=self.settings.cache_dir,
            etag_timeout=self.settings.timeout_s,
            local_files_only=self.settings.is_offline,
            library_name=_USER_AGENT,
        )
        return Path(path)


def _require_config(repository: str, sizes: Mapping[str, int | None]) -> None:
    if "config.json" in sizes:
        return
    hint = fill_in("the engine needs a model in the transformers format")
    if any(name.endswith(".gguf") for name in sizes):
        hint = fill_in("it holds GGUF files: name the original repository they were made from")
    elif "adapter_config.json" in sizes:
        hint = fill_in("it is a LoRA adapter: name its base model")
    elif "model_index.json" in sizes:
        hint = fill_in("it is an image pipeline, not a language model")
    raise NotATransformersRepository(
        fill_in("{repository} has no config.json; {hint}.", repository=repository, hint=hint),
        param="repository",
    )


def count_weights(sizes: Mapping[str, int | None], index: Mapping[str, Any]) -> int | None:
    """Bytes of the files the engine loads, from an index where there is one; None when a size is missing.

    Copies in other formats (`consolidated`, .bin beside .safetensors) do not count. An index's own
    total is used last: converted repositories carry a stale one.
    """
    files = set(index["weight_map"].values()) if isinstance(index.get("weight_map"), dict) else set()
    if not files:
        files = _guess_weight_files(sizes)
    found = [sizes.get(name) for name in files]
    if found and all(found):
        return sum(size for size in found if size)
    total = index.get("metadata", {}).get("total_size") if isinstance(index.get("metadata"), dict) else None
    return int(total) if isinstance(total, int | float) and total > 0 else None


def _guess_weight_files(sizes: Mapping[str, int | None]) -> set[str]:
    for suffix, single in ((".safetensors", "model.safetensors"), (".bin", "pytorch_model.bin")):
        files = {
            name
            for name in sizes
            if name.endswith(suffix) and "/" not in name and not name.startswith(_NOT_THE_MODEL)
        }
        if files:
            return {single} if single in files else files
    return set()
