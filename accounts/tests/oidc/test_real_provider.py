"""The whole flow with an identity provider that nobody wrote for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from django.core.cache import cache

from accounts.models import ExternalIdentity, User
from accounts.tests.oidc.conftest import CALLBACK, START, reason_of
from accounts.tests.oidc.provider_process import MINA, start_provider
from accounts.tests.rest import client_at

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with start_provider(MINA) as issuer:
        yield issuer


def come_back(asked: str, **form: str) -> dict[str, str]:
    """What the provider sends the browser back with, once its own form is answered."""
    answer = httpx.post(asked, data=form)
    assert answer.status_code == 302, answer.text
    url = urlsplit(answer.headers["Location"])
    assert url.path == CALLBACK
    return dict(parse_qsl(url.query))


def test_somebody_signs_in_with_a_real_provider(issuer: str, configure: Callable[..., None]) -> None:
    configure(
        oidc_issuer=issuer, oidc_signup=True, oidc_role_claim="groups", oidc_roles=(("operators", "admin"),)
    )
    browser = client_at()

    asked = browser.get(f"{START}?next=/admin/").headers["Location"]
    sent_back = come_back(asked, sub=MINA["sub"])
    signed_in = browser.get(CALLBACK, sent_back)
    replayed = browser.get(CALLBACK, sent_back)
    denied = browser.get(CALLBACK, come_back(browser.get(START).headers["Location"], action="deny"))

    user = User.objects.get()
    assert (signed_in.status_code, signed_in.headers["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200
    assert (user.username, user.email, user.role) == ("mina", "mina@example.com", "admin")
    assert ExternalIdentity.objects.get().issuer == issuer
    assert [reason_of(answer) for answer in (replayed, denied)] == ["not-started-here", "cancelled"]
    cache.clear()
