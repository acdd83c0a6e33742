"""Entries of LiteLLM's `model_list`: where an engine that somebody else starts answers, and its names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.wording import fill_in
from modelops.domain.errors import FieldError
from modelops.domain.profiles.imports.engine_call import LeftOut, Taken
from modelops.domain.profiles.imports.imported_profile import ImportedProfile
from modelops.domain.profiles.kinds import Problems
from modelops.domain.profiles.proposal import make_slug
from modelops.domain.profiles.syntax import REPOSITORY, SERVED_NAME
from modelops.domain.runtimes import RuntimeKind

PROVIDERS = frozenset({"hosted_vllm", "openai", "text-completion-openai", "openai_like", "custom_openai"})
"""Those that speak OpenAI's protocol to a server of one's own."""
_LIMITS = fill_in("limits are set for accounts and keys")
_REASONS: Mapping[str, str] = {
    "api_key": fill_in("is a secret: set VLLM_API_KEY where the gateway runs"),
    "rpm": _LIMITS,
    "tpm": _LIMITS,
    "weight": fill_in("a slot has one engine"),
    "order": fill_in("a slot has one engine"),
    "temperature": fill_in("belongs into override_generation_config"),
    "top_p": fill_in("belongs into override_generation_config"),
    "max_tokens": fill_in("belongs into override_generation_config, as max_new_tokens"),
}
_BELONGS_TO_ROUTER = fill_in("belongs to LiteLLM, and has nothing that it means here")
_PER_TOKEN = {
    "input_cost_per_token": "cost_per_million_prompt_tokens",
    "output_cost_per_token": "cost_per_million_completion_tokens",
}
_COUNTS = {"max_parallel_requests": "max_concurrent_requests", "max_output_tokens": "max_output_tokens"}


def read_litellm(
    document: Mapping[str, Any], *, repository: str = ""
) -> dict[str, ImportedProfile | FieldError]:
    """The entries of the file by name: each as a profile of an engine that runs elsewhere, or why not.

    `repository` is the model where an entry calls it by another name.
    """
    listed = document.get("model_list")
    if not isinstance(listed, list) or not listed:
        raise FieldError("model_list", fill_in("names no models"))
    found: dict[str, ImportedProfile | FieldError] = {}
    for entry in listed:
        values = entry if isinstance(entry, Mapping) else {}
        name = str(values.get("model_name") or "?")
        key = name if name not in found else f"{name}#{len(found) + 1}"
        try:
            found[key] = _read_entry(name, values, repository)
        except FieldError as exc:
            found[key] = exc
    return found


def _read_entry(name: str, entry: Mapping[str, Any], repository: str) -> ImportedProfile:
    params, info = entry.get("litellm_params"), entry.get("model_info")
    params = params if isinstance(params, Mapping) else {}
    model = _find_model(params)
    slug = make_slug(name)
    values: dict[str, Any] = {
        "slug": slug,
        "display_name": name[:100],
        "is_enabled": False,
        "runtime": RuntimeKind.EXTERNAL.value,
        "repository": _find_repository(model, repository),
        "served_model_name": model,
        "aliases": [name] if name not in (slug, model) else [],
    }
    taken = [
        Taken("model_name", "slug" if name == slug else "aliases", name),
        Taken("litellm_params.model", "served_model_name", model),
        Taken("litellm_params.model", "repository", values["repository"]),
        Taken("litellm_params.api_base", "runtime", values["runtime"]),
    ]
    given = {**(info if isinstance(info, Mapping) else {}), **params}
    for key, field, value in _read_figures(given):
        values[field] = value
        taken.append(Taken(key, field, value))
    left_out = tuple(_explain_rest(given, {each.what for each in taken}))
    return ImportedProfile(values, left_out, tuple(taken))


def _find_model(params: Mapping[str, Any]) -> str:
    """The engine's own name of the model. Raises FieldError for what no engine of one's own serves."""
    named = str(params.get("model") or "")
    provider, slash, model = named.partition("/")
    if not slash or provider not in PROVIDERS:
        text = fill_in(
            "is {model}, which is no engine of one's own: those entries are taken over that begin with "
            "hosted_vllm/ or openai/ and name the api_base of a vLLM",
            model=repr(named),
        )
        raise FieldError("litellm_params.model", text)
    if not params.get("api_base"):
        text = fill_in("is missing: without it {model} is the provider's own service", model=repr(named))
        raise FieldError("litellm_params.api_base", text)
    problems: Problems = []
    SERVED_NAME.read("litellm_params.model", model, problems)
    if problems:
        raise problems[0]
    return model


def _find_repository(model: str, repository: str) -> str:
    problems: Problems = []
    REPOSITORY.read("repository", repository or model, problems)
    if problems:
        text = fill_in(
            "{model} is the engine's own name for its model: say with --repository which repository it is",
            model=repr(model),
        )
        raise FieldError("litellm_params.model", text)
    return repository or model


def _read_figures(given: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Prices, and how much is allowed at a time."""
    for key, field in _PER_TOKEN.items():
        if isinstance(given.get(key), int | float):
            yield key, field, round(float(given[key]) * 1_000_000, 6)
    for key, field in _COUNTS.items():
        if isinstance(given.get(key), int):
            yield key, field, given[key]


def _explain_rest(given: Mapping[str, Any], taken: set[str]) -> Iterator[LeftOut]:
    yield LeftOut("api_base", _explain_address(str(given["api_base"])))
    for key in given:
        if key not in taken and key not in ("model", "api_base"):
            yield LeftOut(str(key), _REASONS.get(str(key), _BELONGS_TO_ROUTER))


def _explain_address(address: str) -> str:
    if "@" in address or not address.startswith(("http://", "https://")):
        return fill_in("an engine that runs elsewhere is reached at VLLM_BASE_URL: set it to its address")
    return fill_in(
        "an engine that runs elsewhere is reached at VLLM_BASE_URL: set it to {address}",
        address=address.rstrip("/").removesuffix("/v1"),
    )
