"""What the identity provider says of itself: OpenID Connect Discovery 1.0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from django.core.cache import cache

from accounts.oidc.refusals import Reason, SignInRefused
from gateway.conf_sign_in import is_safe_address

DISCOVERY_PATH = "/.well-known/openid-configuration"
TIMEOUT_S = 10.0
METADATA_LIFE_S = 600


@dataclass(frozen=True)
class Provider:
    """The provider's addresses, from its own document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str
    is_secret_sent_by_form: bool
    """Whether the client's secret goes into the form of a token request, and not into its Authorization."""
    names_issuer_in_answers: bool
    """RFC 9207: its answers carry `iss`, and one without it is somebody else's."""


def find_provider(issuer: str) -> Provider:
    """The provider at `issuer`, read once in METADATA_LIFE_S. Raises SignInRefused."""
    key = f"oidc-provider:{issuer}"
    found = cache.get(key)
    if found is None:
        found = _read_metadata(issuer)
        cache.set(key, found, METADATA_LIFE_S)
    return _describe(issuer, found)


def _read_metadata(issuer: str) -> dict[str, Any]:
    try:
        answer = requests.get(issuer + DISCOVERY_PATH, timeout=TIMEOUT_S)
        answer.raise_for_status()
        metadata = answer.json()
    except requests.RequestException as exc:  # a body that is not JSON is one, too
        raise SignInRefused(Reason.UNREACHABLE, f"discovery: {type(exc).__name__}") from exc
    if not isinstance(metadata, dict):
        raise SignInRefused(Reason.BAD_ANSWER, "discovery: not an object")
    return metadata


def _describe(issuer: str, metadata: Mapping[str, Any]) -> Provider:
    named = metadata.get("issuer")
    # A document of another issuer would have its tokens accepted. OIDC_ISSUER is kept without a final slash.
    if not isinstance(named, str) or named.rstrip("/") != issuer:
        raise SignInRefused(Reason.BAD_ANSWER, f"discovery names the issuer {named!r}")
    needed = {
        name: _read_address(metadata, name)
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")
    }
    has_userinfo = bool(metadata.get("userinfo_endpoint"))
    methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return Provider(
        issuer=named,
        userinfo_endpoint=_read_address(metadata, "userinfo_endpoint") if has_userinfo else "",
        is_secret_sent_by_form="client_secret_basic" not in methods,
        names_issuer_in_answers=metadata.get("authorization_response_iss_parameter_supported") is True,
        **needed,
    )


def _read_address(metadata: Mapping[str, Any], name: str) -> str:
    address = metadata.get(name)
    if not isinstance(address, str) or not is_safe_address(address):
        raise SignInRefused(Reason.BAD_ANSWER, f"discovery: {name} is no https address")
    return address
