"""What can go wrong between us and a Hugging Face hub, said so that the reader knows what to do.

The only place that knows huggingface_hub's exceptions. No message ever holds the token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2  # huggingface_hub's HTTP client: its transport errors come through untranslated
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
    SafetensorsParsingError,
)

from gateway.errors import (
    GatewayError,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RateLimitExceeded,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from gateway.wording import fill_in, fill_text

_REFUSED_TOKEN_WORDS = (
    "invalid credentials",
    "invalid username or password",
    "invalid user token",
    "expired",
)


class BadRepositoryName(InvalidRequest):
    default_message = "A repository is named owner/name, as in Qwen/Qwen2.5-7B-Instruct."


class NotATransformersRepository(InvalidRequest):
    default_message = "The repository holds no model that the engine can read the shape of."


class RepositoryMissing(NotFound):
    default_message = "There is no such repository on the hub."


class RepositoryGated(PermissionDenied):
    default_message = "The repository is gated."


class HubTokenRefused(PermissionDenied):
    default_message = "The hub refuses HF_TOKEN: make a new one with read access and set it."


class HubRateLimited(RateLimitExceeded):
    default_message = "The hub limits our requests. Wait a few minutes, or set HF_TOKEN for a higher limit."


class HubUnreachable(UpstreamUnavailable):
    default_message = "The hub cannot be reached."


class HubTimeout(UpstreamTimeout):
    default_message = "The hub took too long."


class NotInCache(HubUnreachable):
    default_message = "The hub is switched off and the repository is not in the local cache."


@dataclass(frozen=True)
class _Asked:
    """What was asked of whom, for the messages."""

    repository: str
    revision: str | None
    endpoint: str
    has_token: bool


@contextmanager
def translated_errors(
    repository: str, *, revision: str | None, endpoint: str, has_token: bool
) -> Iterator[None]:
    """Turns every failure of huggingface_hub inside the block into one of this module's errors."""
    try:
        yield
    except (HFValidationError, OSError, httpx2.HTTPError, EntryNotFoundError, SafetensorsParsingError) as exc:
        raise _translate(exc, _Asked(repository, revision, endpoint, has_token)) from exc
    except (json.JSONDecodeError, TypeError, KeyError) as exc:
        raise HubUnreachable(
            fill_in("{endpoint} does not answer as a hub does: check HF_ENDPOINT.", endpoint=endpoint)
        ) from exc


def _translate(exc: BaseException, asked: _Asked) -> GatewayError:
    if isinstance(exc, HFValidationError):
        text = fill_in(
            "{repository} is not a repository name. {hint}",
            repository=repr(asked.repository),
            hint=fill_text(BadRepositoryName.default_message, {}),
        )
        return BadRepositoryName(text, param="repository")
    if isinstance(exc, LocalEntryNotFoundError):
        # Not in the cache, because the hub is off or because it just failed: then its failure is the cause.
        is_failure = isinstance(exc.__cause__, httpx2.HTTPError | FileMetadataError)
        return _translate(exc.__cause__, asked) if exc.__cause__ and is_failure else _explain_offline(asked)
    if isinstance(exc, OfflineModeIsEnabled):
        return _explain_offline(asked)
    if isinstance(exc, RemoteEntryNotFoundError | SafetensorsParsingError):
        return NotATransformersRepository(
            fill_in("{repository} cannot be read: {problem}", repository=asked.repository, problem=exc),
            param="repository",
        )
    if isinstance(exc, HfHubHTTPError):
        return _explain_answer(exc, asked)
    if isinstance(exc, httpx2.TimeoutException):
        return HubTimeout(
            fill_in(
                "{endpoint} took too long to answer. Try again, or check the network and the proxy.",
                endpoint=asked.endpoint,
            )
        )
    if isinstance(exc, httpx2.HTTPError | FileMetadataError | ConnectionError):
        return HubUnreachable(
            fill_in(
                "{endpoint} cannot be reached ({error}). Check the network, the proxy and "
                "HF_ENDPOINT; HF_HUB_OFFLINE=1 uses what is in the local cache.",
                endpoint=asked.endpoint,
                error=type(exc).__name__,
            )
        )
    return HubUnreachable(
        fill_in("The cache of the hub's files cannot be used: {problem}. Check HF_HUB_CACHE.", problem=exc)
    )


def _explain_offline(asked: _Asked) -> GatewayError:
    name = f"{asked.repository}@{asked.revision}" if asked.revision else asked.repository
    return NotInCache(
        fill_in(
            "{repository} is not in the local cache and the hub is not asked (HF_HUB_OFFLINE). Unset "
            "HF_HUB_OFFLINE, or download the model's config.json where there is a network and copy "
            "the cache.",
            repository=name,
        )
    )


def _explain_answer(exc: HfHubHTTPError, asked: _Asked) -> GatewayError:
    status = exc.response.status_code
    said = (exc.server_message or "").lower()
    if isinstance(exc, GatedRepoError):
        return _explain_gate(asked)
    if isinstance(exc, DisabledRepoError):
        return RepositoryGated(
            fill_in(
                "{repository} was disabled on the hub: choose another repository.",
                repository=asked.repository,
            )
        )
    if isinstance(exc, RevisionNotFoundError):
        text = fill_in(
            "{repository} has no revision {revision}: give a branch, a tag or a full commit.",
            repository=asked.repository,
            revision=repr(asked.revision),
        )
        return RepositoryMissing(text, param="revision")
    if status == 401 and asked.has_token and any(words in said for words in _REFUSED_TOKEN_WORDS):
        return HubTokenRefused()
    if isinstance(exc, RepositoryNotFoundError) or status in (401, 404):
        private = (
            fill_in("or HF_TOKEN may not read it")
            if asked.has_token
            else fill_in("or it is private: set HF_TOKEN")
        )
        text = fill_in(
            "There is no repository {repository} on {endpoint}; check the spelling, {private}.",
            repository=asked.repository,
            endpoint=asked.endpoint,
            private=private,
        )
        return RepositoryMissing(text, param="repository")
    if status == 403:
        return _explain_gate(asked)
    if status == 429:
        return HubRateLimited(retry_after_s=_read_wait(exc))
    if status in (408, 504):
        return HubTimeout(
            fill_in(
                "{endpoint} answered {status}: it took too long. Try again later.",
                endpoint=asked.endpoint,
                status=status,
            )
        )
    return HubUnreachable(
        fill_in("{endpoint} answered {status}. Try again later.", endpoint=asked.endpoint, status=status)
    )


def _explain_gate(asked: _Asked) -> GatewayError:
    page = f"{asked.endpoint}/{asked.repository}"
    if asked.has_token:
        return RepositoryGated(
            fill_in(
                "{repository} is gated and the account of HF_TOKEN has no access: ask for it at "
                "{page}, and give the token the right to read gated repositories.",
                repository=asked.repository,
                page=page,
            )
        )
    return RepositoryGated(
        fill_in(
            "{repository} is gated: accept its licence at {page}, then set HF_TOKEN to a "
            "token of that account.",
            repository=asked.repository,
            page=page,
        )
    )


def _read_wait(exc: HfHubHTTPError) -> float | None:
    raw = exc.response.headers.get("retry-after", "")
    return float(raw) if raw.isdigit() else None
