"""Signing in with an identity provider, in a browser: there, back, and out again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from accounts.tests.oidc.provider_process import MINA, start_provider
from gateway.tests.databases import ADMIN_PASSWORD, Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.browsers import PHONE, visiting

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def company_site(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """A gateway whose people sign in with a real provider, and with nothing else."""
    with start_provider(MINA) as issuer:
        settings = {
            "OIDC_ISSUER": issuer,
            "OIDC_CLIENT_ID": "gateway",
            "OIDC_CLIENT_SECRET": "a secret of the client's",
            "OIDC_NAME": "Example",
            "OIDC_SIGNUP": "true",
            "OIDC_ROLE_CLAIM": "groups",
            "OIDC_ROLES": "operators=admin",
            "OIDC_ONLY": "true",
        }
        folder = tmp_path_factory.mktemp("company-site")
        with start_gateway(embedded_stores, folder, simulator, **settings) as gateway:
            yield gateway


def test_operator_signs_in_with_the_provider_to_the_desk_the_chat_and_out(
    chromium: Browser, company_site: GatewayProcess
) -> None:
    with visiting(chromium, company_site.url) as visitor:
        page = visitor.page
        page.goto(f"{visitor.url}/admin/")
        page.get_by_role("link", name="Sign in with Example").click()
        page.get_by_role("button", name=MINA["sub"]).click()
        page.wait_for_url(f"{visitor.url}/admin/")
        visitor.forgive("")  # of the provider's own pages

        page.goto(f"{visitor.url}/account/")
        page.get_by_text("You sign in with your company account").wait_for()
        has_form = page.get_by_label("Current password").count() > 0
        page.get_by_role("button", name="Sign out").first.click()
        page.wait_for_url("**/sign-in/**")

        assert not has_form
        assert company_site.log_events("oidc_refused") == []


def test_refusal_is_said_on_the_phone_where_a_password_is_for_emergencies(
    chromium: Browser, company_site: GatewayProcess
) -> None:
    with visiting(chromium, company_site.url, viewport=PHONE) as visitor:
        page = visitor.page
        page.goto(f"{visitor.url}/sign-in/")
        page.get_by_role("link", name="Sign in with Example").click()
        page.get_by_role("button", name="Deny").click()
        said = page.get_by_role("alert").inner_text()
        visitor.forgive("")
        is_hidden = not page.locator("#id_username").is_visible()
        page.get_by_text("Emergency access with a password").click()
        page.fill("#id_username", "admin")
        page.fill("#id_password", ADMIN_PASSWORD)
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.wait_for_url("**/chat/")

        assert said == "The identity provider did not sign you in."
        assert is_hidden
