"""Where images, sounds and files in messages may come from.

The engine fetches URLs from inside the network: the cloud's metadata service, the database, `file:`. The
gateway does not see redirects, nor names that resolve to internal addresses. So by default a medium has to be
in the request, as a `data:` URL. Embeddings are refused: they are tensors that the engine unpacks.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.errors import InvalidRequest

_public_https = re.compile(
    # Host names that the public DNS can have: no address in any notation, no single label, no user part.
    r"https://(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9](?::443)?(?:[/?][\x21-\x5b\x5d-\x7e]*)?",
    re.IGNORECASE,
)
_inner_name = re.compile(
    r"https://[^/?:]*\.(?:localhost|local|internal|intranet|lan|home|corp|arpa|test)(?=[:/?]|$)", re.I
)


def check_media(body: dict[str, Any], policy: str) -> None:
    """Raises InvalidRequest for a medium from elsewhere. `policy` is MEDIA_URLS: off or https."""
    messages = body.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        if isinstance(message, dict) and not isinstance(message.get("content"), str):
            _check(message.get("content"), policy, path=f"messages.{index}.content", is_url=False)
    _check(body.get("input"), policy, path="input", is_url=False)


def _check(value: Any, policy: str, *, path: str, is_url: bool) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key.lower().endswith("embeds"):
                raise InvalidRequest(f"{path}: embeddings are not for clients to give.", param=path)
            if key != "annotations":  # what an earlier answer cited; nothing fetches that
                # `image_url`, `audio_url`, `video_url`, `file_url`, `url`, `uri`, in whichever shape.
                is_link = key.lower().endswith(("url", "uri"))
                _check(inner, policy, path=f"{path}.{key}", is_url=is_link)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check(inner, policy, path=f"{path}.{index}", is_url=is_url)
    elif is_url and isinstance(value, str) and not _is_allowed(value, policy):
        wanted = "a data: URL" if policy == "off" else "a data: or public https: URL"
        raise InvalidRequest(
            f"{path}: expected {wanted}. The gateway lets nothing else be fetched.", param=path
        )


def _is_allowed(url: str, policy: str) -> bool:
    if url.startswith("data:"):
        return True
    return policy == "https" and _public_https.fullmatch(url) is not None and _inner_name.match(url) is None
