"""Signing in by way of the identity provider, and what must not sign anybody in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client

from accounts.models import AuditEvent, ExternalIdentity, Session, User
from accounts.oidc.flow import STATE_LIFE_S
from accounts.tests.oidc.conftest import CALLBACK, START, Flow, challenge_of, reason_of
from accounts.tests.oidc.scripted_provider import CLIENT_ID, CLIENT_SECRET, ScriptedProvider

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("many_logins")]


@pytest.fixture
def newcomers(configure: Callable[..., None]) -> None:
    configure(oidc_signup=True)


@pytest.mark.usefixtures("newcomers")
def test_newcomer_gets_an_account_a_session_and_lines_of_the_trail(
    flow: Flow, provider: ScriptedProvider
) -> None:
    provider.claims = {"preferred_username": "mina", "email": "mina@example.com", "email_verified": True}

    response = flow.sign_in(f"{START}?next=/account/")

    user = User.objects.get()
    (sent,) = provider.token_requests
    assert (response.status_code, response.headers["Location"]) == (302, "/account/")
    assert response.headers["Cache-Control"] == "no-store"
    assert flow.signed_in_as() == "mina"
    assert flow.client.get("/api/auth/me").json()["has_password"] is False
    assert (user.email, user.role, user.has_usable_password()) == ("mina@example.com", "user", False)
    assert Session.objects.get().kind == Session.Kind.COOKIE
    trail = AuditEvent.objects.order_by("at", "id").values_list("action", "via", "actor_name")
    assert [*trail] == [
        ("user_created", "page", "mina"),
        ("identity_linked", "page", "mina"),
        ("logged_in", "page", "mina"),
    ]
    assert sent["redirect_uri"] == flow.asked["redirect_uri"] == f"http://testserver{CALLBACK}"
    assert (flow.asked["code_challenge"], flow.asked["code_challenge_method"]) == (
        challenge_of(sent["code_verifier"]),
        "S256",
    )
    assert sent["authorization"].startswith("Basic ")
    assert CLIENT_SECRET not in sent.values()


@pytest.mark.usefixtures("newcomers")
def test_cookie_of_the_sign_in_ends_with_its_session_and_by_signing_out(flow: Flow) -> None:
    flow.sign_in()
    flow.client.post("/sign-out/")
    has_ended = flow.signed_in_as() == ""

    flow.sign_in()
    Session.objects.update(revoked_at="2026-01-01T00:00Z", revoked_reason="admin")

    assert has_ended
    assert flow.signed_in_as() == ""
    assert User.objects.count() == ExternalIdentity.objects.count() == 1
    assert AuditEvent.objects.filter(action="logged_out").count() == 1


def forge(provider: ScriptedProvider) -> None:
    provider.signing_key = ec.generate_private_key(ec.SECP256R1())


def sign_by_the_shared_secret(provider: ScriptedProvider) -> None:
    provider.algorithm, provider.signing_key = "HS256", CLIENT_SECRET.ljust(40, "!")


def sign_by_the_published_key(provider: ScriptedProvider) -> None:
    provider.algorithm, provider.signing_key = "HS256", str(provider.list_keys()["keys"][0])


def sign_not_at_all(provider: ScriptedProvider) -> None:
    provider.algorithm, provider.signing_key = "none", ""


def claim(**claims: Any) -> Callable[[ScriptedProvider], None]:
    return lambda provider: provider.claims.update(claims)


def head(**headers: Any) -> Callable[[ScriptedProvider], None]:
    return lambda provider: provider.headers.update(headers)


def tell(**userinfo: Any) -> Callable[[ScriptedProvider], None]:
    return lambda provider: provider.userinfo.update(userinfo)


def refuse_the_code(provider: ScriptedProvider) -> None:
    provider.token_status = 400


BAD = {
    "another key": forge,
    "the client's secret as the key": sign_by_the_shared_secret,
    "the public key as a secret": sign_by_the_published_key,
    "no signature": sign_not_at_all,
    "a key of another name": head(kid="key-2"),
    "expired": claim(exp=int(time.time()) - 3600),
    "without an end": claim(exp=None),
    "from the future": claim(nbf=int(time.time()) + 3600),
    "for another client": claim(aud="another"),
    "for nobody": claim(aud=None),
    "issued to another client": claim(aud=[CLIENT_ID, "another"], azp="another"),
    "of another issuer": claim(iss="https://elsewhere.example"),
    "without a nonce": claim(nonce=None),
    "with another nonce": claim(nonce="another"),
    "without a subject": claim(sub=None),
    "of a subject that is too long": claim(sub="s" * 256),
    "userinfo of somebody else": tell(sub="subject-2"),
    "a code that the provider refuses": refuse_the_code,
}


@pytest.mark.usefixtures("newcomers")
@pytest.mark.parametrize("spoil", BAD.values(), ids=BAD.keys())
def test_answer_that_is_not_valid_signs_nobody_in(
    spoil: Callable[[ScriptedProvider], None], flow: Flow, provider: ScriptedProvider
) -> None:
    spoil(provider)

    response = flow.sign_in()

    assert reason_of(response) == "bad-answer"
    assert flow.signed_in_as() == ""
    assert not User.objects.exists()
    assert provider.token_requests


@pytest.mark.usefixtures("newcomers")
def test_token_need_not_name_the_only_key_but_one_of_several(flow: Flow, provider: ScriptedProvider) -> None:
    provider.names_keys = False

    only = flow.sign_in()
    provider.more_keys = [ec.generate_private_key(ec.SECP256R1())]
    one_of_two = flow.sign_in()

    assert [reason_of(answer) for answer in (only, one_of_two)] == ["", "bad-answer"]


@pytest.mark.usefixtures("newcomers")
def test_state_works_once_in_its_own_browser_and_for_a_while(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    flow.sign_in()
    replayed = flow.finish()
    other = Flow(flow.provider, asked=flow.start())
    in_another_browser = other.finish()
    without = flow.client.get(CALLBACK, {"code": "a-code"})
    late = time.time() + STATE_LIFE_S + 1
    monkeypatch.setattr(time, "time", lambda: late)
    too_late = flow.finish()

    answers = [replayed, in_another_browser, without, too_late]
    assert [reason_of(answer) for answer in answers] == ["not-started-here"] * 4
    assert other.signed_in_as() == ""
    assert len(flow.provider.token_requests) == 1


@pytest.mark.usefixtures("newcomers")
def test_answer_of_another_provider_is_not_redeemed_at_this_one(
    flow: Flow, provider: ScriptedProvider
) -> None:
    provider.metadata = {"authorization_response_iss_parameter_supported": True}

    flow.start()
    mixed_up = flow.finish(iss="https://elsewhere.example")
    flow.start()
    unnamed = flow.finish()
    flow.start()
    named = flow.finish(iss=provider.url)

    assert [reason_of(answer) for answer in (mixed_up, unnamed, named)] == ["bad-answer", "bad-answer", ""]
    assert len(provider.token_requests) == 1


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": "http://elsewhere.example/token"},
        {"jwks_uri": None},
    ],
    ids=["of another issuer", "where secrets would be read on the way", "without keys"],
)
def test_document_that_does_not_fit_the_issuer_is_not_followed(
    metadata: dict[str, Any], flow: Flow, provider: ScriptedProvider
) -> None:
    provider.metadata = metadata

    response = flow.client.get(START)

    assert reason_of(response) == "bad-answer"


def test_provider_that_refuses_or_is_away_is_told_of_on_the_sign_in_page(
    flow: Flow, configure: Callable[..., None]
) -> None:
    flow.start(f"{START}?next=/account/")
    refused = flow.finish(error="access_denied")
    once_more = flow.finish()
    configure(oidc_issuer="http://127.0.0.1:1")
    away = flow.client.get(START)
    page = flow.client.get(refused.headers["Location"])

    reasons = [reason_of(answer) for answer in (refused, once_more, away)]
    assert reasons == ["cancelled", "not-started-here", "unreachable"]
    assert "The identity provider did not sign you in." in page.content.decode()
    assert 'name="next" value="/account/"' in page.content.decode()


@pytest.mark.usefixtures("newcomers")
@pytest.mark.parametrize(
    "address", ["https://elsewhere.example/", "//elsewhere.example", "javascript:alert(1)"]
)
def test_signing_in_by_the_provider_leads_nowhere_else(address: str, flow: Flow) -> None:
    response = flow.sign_in(f"{START}?next={address}")

    assert response.headers["Location"] == "/chat/"
    assert flow.signed_in_as()


def test_names_of_the_flow_at_the_log_in_by_password_redeem_nothing(
    flow: Flow, provider: ScriptedProvider
) -> None:
    flow.start()
    body = {"username": "admin", "password": "wrong", "nonce": flow.asked["nonce"], "code_verifier": "v"}
    plain = {"username": "admin", "password": "wrong"}
    path = f"/api/auth/login?code=a-code&state={flow.asked['state']}"

    answers = [
        flow.client.post(path, content, content_type="application/json").status_code
        for content in (body, plain)
    ]

    assert answers == [400, 401]
    assert provider.token_requests == []


def test_proxy_that_speaks_https_is_what_people_come_back_to(
    flow: Flow, configure: Callable[..., None]
) -> None:
    configure(secure_cookies=True)

    asked = flow.start()

    assert urlsplit(asked["redirect_uri"]).scheme == "https"


def test_without_an_issuer_there_is_neither_button_nor_path(client: Client) -> None:
    page = client.get("/sign-in/").content.decode()

    assert START not in page
    assert [client.get(path).status_code for path in (START, CALLBACK)] == [404, 404]
