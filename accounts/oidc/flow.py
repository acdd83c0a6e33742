"""The authorization code flow, by mozilla-django-oidc, with the checks that it leaves to its users.

Imported only where OIDC_ISSUER is set: the library is an extra (requirements/oidc.txt).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import jwt
import requests
from django.conf import settings
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.views import OIDCAuthenticationCallbackView, OIDCAuthenticationRequestView

from accounts.backends import LOGIN_BACKEND
from accounts.change_origin import origin_of
from accounts.cookie_logins import record_cookie_login
from accounts.login_trail import record_failed_login
from accounts.models import User, Via
from accounts.oidc.claims import read_identity
from accounts.oidc.provider import TIMEOUT_S, Provider, find_provider
from accounts.oidc.refusals import Reason, SignInRefused
from accounts.oidc.sign_in import find_account, sign_in
from gateway import conf

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA"),
)
"""Signatures by a key that only the provider has: HS256 takes the client's secret, and none takes nothing."""
STATE_LIFE_S = 600
"""For so long somebody may take to sign in at the provider."""


def library_settings(provider: Provider, config: conf.GatewayConfig) -> dict[str, Any]:
    """What the library reads by its names."""
    return {
        "OIDC_OP_AUTHORIZATION_ENDPOINT": provider.authorization_endpoint,
        "OIDC_OP_TOKEN_ENDPOINT": provider.token_endpoint,
        "OIDC_OP_USER_ENDPOINT": provider.userinfo_endpoint,
        "OIDC_OP_JWKS_ENDPOINT": provider.jwks_uri,
        "OIDC_RP_CLIENT_ID": config.oidc_client_id,
        "OIDC_RP_CLIENT_SECRET": config.oidc_client_secret,
        "OIDC_RP_SCOPES": " ".join(config.oidc_scopes),
        # Stands for all of ALGORITHMS: their keys are the provider's, read from its jwks_uri.
        "OIDC_RP_SIGN_ALGO": ALGORITHMS[0],
        "OIDC_USE_NONCE": True,
        "OIDC_USE_PKCE": True,
        "OIDC_PKCE_CODE_CHALLENGE_METHOD": "S256",
        "OIDC_TIMEOUT": TIMEOUT_S,
        "LOGIN_REDIRECT_URL": settings.LOGIN_REDIRECT_URL,
        "OIDC_AUTHENTICATION_CALLBACK_URL": "oidc-callback",
        "OIDC_TOKEN_USE_BASIC_AUTH": not provider.is_secret_sent_by_form,
    }


class OwnSettings:
    """Has the library read `gateway.conf` and the provider's own document in place of Django's settings."""

    def get_settings(self, attr: str, *default: Any) -> Any:
        own = vars(self).get("_own_settings")
        if own is None:
            config = conf.get_config()
            own = library_settings(find_provider(config.oidc_issuer), config)
            self._own_settings = own
        if attr in own or not default:
            return own[attr]
        return default[0]


def callback_url(request: HttpRequest) -> str:
    """Where the provider sends people back to; the proxy in front speaks https where cookies are secure."""
    url = request.build_absolute_uri(reverse("oidc-callback"))
    return urlunsplit(urlsplit(url)._replace(scheme="https")) if conf.get_config().secure_cookies else url


class RequestView(OwnSettings, OIDCAuthenticationRequestView):  # type: ignore[misc]  # untyped
    """Sends somebody to the provider, with a state, a nonce and a PKCE challenge of this session."""

    def get_extra_params(self, request: HttpRequest) -> dict[str, str]:
        return {"redirect_uri": callback_url(request)}


class CallbackView(OwnSettings, OIDCAuthenticationCallbackView):  # type: ignore[misc]  # untyped
    """Signs in who comes back from the provider; the state, nonce and verifier work once."""

    user: User

    def get(self, request: HttpRequest) -> HttpResponse:
        """Raises SignInRefused, and what the library and its own libraries raise."""
        _forget_old_states(request)
        answer = request.GET
        if "error" in answer:
            _forget_state(request, answer.get("state", ""))
            raise SignInRefused(Reason.CANCELLED, answer["error"][:100])
        if answer.get("state", "") not in request.session.get("oidc_states", {}):
            raise SignInRefused(Reason.NOT_STARTED_HERE)
        provider = find_provider(conf.get_config().oidc_issuer)
        # RFC 9207: what another provider sent is not redeemed at this one.
        named = answer.get("iss")
        if named != provider.issuer and (named is not None or provider.names_issuer_in_answers):
            raise SignInRefused(Reason.BAD_ANSWER, f"the answer names the issuer {named!r}"[:200])
        response: HttpResponse = super().get(request)
        return response

    def login_success(self) -> HttpResponse:
        """As after a password: a new cookie, a session in the lists, a line of the audit trail."""
        next_url = self.success_url
        login(self.request, self.user, backend=LOGIN_BACKEND)
        record_cookie_login(self.request, self.user, via=Via.PAGE)
        return HttpResponseRedirect(next_url)

    def login_failure(self) -> HttpResponse:
        raise SignInRefused(Reason.BAD_ANSWER, "the answer has no code")


class OidcBackend(OwnSettings, OIDCAuthenticationBackend):  # type: ignore[misc]  # untyped
    """Redeems the code and finds the account. Django's session is `LoginBackend`'s."""

    def __init__(self) -> None:
        """Nothing: Django makes one for every log-in, of which most are by password."""

    def authenticate(  # Django passes by who lacks what it needs
        self, request: HttpRequest, *, nonce: str, code_verifier: str
    ) -> User | None:
        OIDCAuthenticationBackend.__init__(self)
        user: User | None = super().authenticate(request, nonce=nonce, code_verifier=code_verifier)
        return user

    def get_token(self, payload: dict[str, Any]) -> dict[str, Any]:
        payload["redirect_uri"] = callback_url(self.request)
        answer = super().get_token(payload)
        if not isinstance(answer, dict) or not isinstance(answer.get("id_token"), str):
            raise SignInRefused(Reason.BAD_ANSWER, "the token answer has no id_token")
        return answer

    def retrieve_matching_jwk(self, token: str) -> jwt.PyJWK:
        """The provider's key that the token names; the library fails where it names none.

        A provider with a single key need not name it (OpenID Connect Core 1.0, section 10.1).
        """
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in ALGORITHMS:
            raise SignInRefused(Reason.BAD_ANSWER, f"the token is signed by {algorithm!r}"[:100])
        answer = requests.get(self.OIDC_OP_JWKS_ENDPOINT, timeout=TIMEOUT_S)
        answer.raise_for_status()
        fitting = [
            key
            for key in list_keys(answer.json())
            if key.get("use", "sig") == "sig"
            and key.get("alg", algorithm) == algorithm
            and (kid is None or key.get("kid") == kid)
        ]
        if len(fitting) != 1:
            raise SignInRefused(Reason.BAD_ANSWER, f"{len(fitting)} of the provider's keys fit the token")
        return jwt.PyJWK(fitting[0], algorithm)

    def _verify_jws(self, payload: str, key: Any) -> dict[str, Any]:
        """OpenID Connect Core 1.0, section 3.1.3.7; the library itself checks only signature and expiry."""
        config = conf.get_config()
        claims: dict[str, Any] = jwt.decode(
            payload,
            key,
            algorithms=ALGORITHMS,
            audience=config.oidc_client_id,
            issuer=find_provider(config.oidc_issuer).issuer,
            leeway=config.jwt_leeway_s,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
        if claims.get("azp", config.oidc_client_id) != config.oidc_client_id:
            raise SignInRefused(Reason.BAD_ANSWER, "the token was issued to another client")
        return claims

    def get_or_create_user(self, access_token: str, id_token: str, payload: dict[str, Any]) -> User:
        claims = payload
        if self.OIDC_OP_USER_ENDPOINT:
            userinfo = self.get_userinfo(access_token, id_token, payload)
            if not isinstance(userinfo, dict):
                raise SignInRefused(Reason.BAD_ANSWER, "userinfo is no object")
            claims = merge_claims(userinfo, payload)
        config = conf.get_config()
        origin = origin_of(self.request, via=Via.PAGE)
        identity = read_identity(claims, config)
        try:
            return sign_in(identity, config=config, origin=origin)
        except SignInRefused:
            record_failed_login(account=find_account(identity), origin=origin)
            raise


def list_keys(answer: Any) -> list[dict[str, Any]]:
    """The keys of a JSON Web Key Set (RFC 7517, section 5)."""
    keys = answer.get("keys") if isinstance(answer, dict) else None
    return [key for key in keys if isinstance(key, dict)] if isinstance(keys, list) else []


def merge_claims(userinfo: Mapping[str, Any], token: Mapping[str, Any]) -> dict[str, Any]:
    """The claims of both; what is signed goes before what is not. Raises SignInRefused.

    OpenID Connect Core 1.0, section 5.3.2: without the same subject it is about somebody else.
    """
    if userinfo.get("sub") != token["sub"]:
        raise SignInRefused(Reason.BAD_ANSWER, "userinfo names another subject")
    merged = {**userinfo, **token}
    verified = conf.get_config().oidc_verified_claim
    if merged.get("email") != userinfo.get("email") and verified not in token:
        merged.pop(verified, None)  # was said of another address
    return merged


def _forget_old_states(request: HttpRequest) -> None:
    states = request.session.get("oidc_states", {})
    oldest = time.time() - STATE_LIFE_S
    fresh = {state: entry for state, entry in states.items() if entry["added_on"] >= oldest}
    if fresh != states:
        request.session["oidc_states"] = fresh


def _forget_state(request: HttpRequest, state: str) -> None:
    if request.session.get("oidc_states", {}).pop(state, None) is not None:
        request.session.modified = True
