"""Whose account an identity signs in to, and with which role."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.api_keys import issue_api_key
from accounts.change_origin import COMMAND
from accounts.models import ApiKey, AuditEvent, ExternalIdentity, Role, User
from accounts.services import set_active
from accounts.tests.oidc.conftest import Flow, reason_of
from accounts.tests.oidc.scripted_provider import ScriptedProvider
from accounts.tests.rest import PASSWORD, client_at, client_of, log_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("many_logins")]

BOSS = {"email": "Boss@Example.com", "email_verified": True, "preferred_username": "boss"}


@pytest.fixture
def owner() -> User:
    """Has the boss's address, which nobody has verified here."""
    return User.objects.create_user("owner", "boss@example.com", PASSWORD)


@pytest.mark.parametrize("verified", [False, None, 1, "yes", "false", ["true"]])
def test_address_that_the_provider_has_not_verified_takes_nobodys_account_over(
    verified: object,
    flow: Flow,
    provider: ScriptedProvider,
    owner: User,
    configure: Callable[..., None],
) -> None:
    configure(oidc_signup=True, oidc_link_by_email=True)
    provider.claims = {**BOSS, "email_verified": verified}

    flow.sign_in()

    newcomer = ExternalIdentity.objects.get().user
    assert newcomer != owner
    assert (flow.signed_in_as(), newcomer.email) == ("boss", None)


def test_address_verified_in_userinfo_is_not_the_one_of_the_token(
    flow: Flow, provider: ScriptedProvider, owner: User, configure: Callable[..., None]
) -> None:
    configure(oidc_link_by_email=True)
    provider.claims = {"email": "boss@example.com"}
    provider.userinfo = {"email": "me@example.com", "email_verified": True}

    response = flow.sign_in()

    assert reason_of(response) == "unknown"
    assert not ExternalIdentity.objects.exists()


def test_verified_address_takes_no_account_over_unless_the_setting_says_so(
    flow: Flow, provider: ScriptedProvider, owner: User, configure: Callable[..., None]
) -> None:
    configure(oidc_signup=True)
    provider.claims = BOSS

    response = flow.sign_in()

    assert reason_of(response) == "address-taken"
    assert (User.objects.count(), flow.signed_in_as()) == (1, "")
    assert AuditEvent.objects.get(action="login_failed").target_label == "owner"


def test_verified_address_links_the_account_and_ends_all_that_opened_it_before(
    flow: Flow, provider: ScriptedProvider, owner: User, configure: Callable[..., None]
) -> None:
    configure(oidc_link_by_email=True)
    provider.claims = BOSS
    before = client_of(owner)
    issue_api_key(user=owner, name="before", scopes=["chat"], origin=COMMAND)

    flow.sign_in()

    owner.refresh_from_db()
    assert flow.signed_in_as() == "owner"
    assert not owner.has_usable_password()
    assert before.get("/api/auth/me").status_code == 401
    assert log_in(client_at(), "owner").status_code == 401
    assert not ApiKey.objects.filter(revoked_at=None).exists()


def test_after_the_first_time_the_subject_counts_and_no_address(
    flow: Flow, provider: ScriptedProvider, configure: Callable[..., None]
) -> None:
    configure(oidc_signup=True, oidc_link_by_email=True)
    provider.claims = BOSS
    flow.sign_in()
    User.objects.create_user("other", "other@example.com", PASSWORD)

    provider.claims = {**BOSS, "email": "other@example.com", "preferred_username": "somebody"}
    flow.sign_in()

    assert flow.signed_in_as() == "boss"
    assert ExternalIdentity.objects.get().email == "other@example.com"


def test_administrator_links_an_identity_by_hand_and_unlinks_it(
    flow: Flow, provider: ScriptedProvider, owner: User
) -> None:
    web = Client()
    web.force_login(User.objects.create(username="root", role=Role.ADMIN))
    pages = "/admin/accounts/externalidentity"
    form = {"user": owner.pk, "issuer": provider.url, "subject": "subject-1"}

    refused = flow.sign_in()
    linked = web.post(f"{pages}/add/", form)
    flow.sign_in()
    signed_in = flow.signed_in_as()
    identity = ExternalIdentity.objects.get()
    listed = web.get(f"{pages}/").content.decode()
    twice = web.post(f"{pages}/add/", form)
    unlinked = web.post(f"{pages}/{identity.pk}/delete/", {"post": "yes"})

    assert (reason_of(refused), linked.status_code, signed_in) == ("unknown", 302, "owner")
    assert "subject-1" in listed
    assert (twice.status_code, unlinked.status_code) == (200, 302)
    assert flow.signed_in_as() == ""
    assert log_in(client_at(), "owner").status_code == 200
    trail = AuditEvent.objects.filter(action__startswith="identity").order_by("at")
    assert [*trail.values_list("action", "actor_name", "target_label")] == [
        ("identity_linked", "root", "owner"),
        ("identity_unlinked", "root", "owner"),
    ]


def test_break_glass_account_is_linked_to_nobody(
    flow: Flow, provider: ScriptedProvider, owner: User, configure: Callable[..., None]
) -> None:
    configure(oidc_link_by_email=True, oidc_break_glass="Owner")
    provider.claims = BOSS

    response = flow.sign_in()

    assert reason_of(response) == "address-taken"
    assert log_in(client_at(), "owner").status_code == 200


def test_only_verified_addresses_of_the_allowed_domains_are_let_in(
    flow: Flow, provider: ScriptedProvider, configure: Callable[..., None]
) -> None:
    configure(oidc_signup=True, oidc_allowed_domains=("example.com",))

    reasons = []
    for claims in (
        {"email": "a@example.com.evil.example", "email_verified": True},
        {"email": "a@sub.example.com", "email_verified": True},
        {"email": "a@example.com"},
        {},
        {"email": "a@EXAMPLE.com", "email_verified": "true"},
    ):
        provider.claims = claims
        reasons.append(reason_of(flow.sign_in()))

    assert reasons == ["foreign-domain"] * 4 + [""]


def test_somebody_unknown_stays_out_where_accounts_are_made_by_administrators(
    flow: Flow, provider: ScriptedProvider
) -> None:
    provider.claims = BOSS

    response = flow.sign_in()

    assert reason_of(response) == "unknown"
    assert not User.objects.exists()


def test_deactivated_account_stays_out(
    flow: Flow, provider: ScriptedProvider, configure: Callable[..., None]
) -> None:
    configure(oidc_signup=True)
    provider.claims = BOSS
    flow.sign_in()
    set_active(user=User.objects.get(), is_active=False, origin=COMMAND)

    response = flow.sign_in()

    assert reason_of(response) == "inactive"
    assert flow.signed_in_as() == ""
    assert AuditEvent.objects.get(action="login_failed").target_label == "boss"


def test_role_follows_the_claim_at_every_sign_in(
    flow: Flow, provider: ScriptedProvider, configure: Callable[..., None]
) -> None:
    configure(
        oidc_signup=True,
        oidc_role_claim="realm_access.roles",
        oidc_roles=(("operators", "admin"), ("staff", "user")),
    )

    roles = []
    for values in (["staff"], ["staff", "operators"], "operators", ["unknown"]):
        provider.claims = {**BOSS, "realm_access": {"roles": values}}
        flow.sign_in(path="/sign-in/oidc/?next=/admin/")
        roles.append((User.objects.get().role, flow.client.get("/admin/").status_code))

    assert roles == [("user", 302), ("admin", 200), ("admin", 200), ("user", 302)]
    changes = AuditEvent.objects.filter(action="role_changed").order_by("at")
    assert [(event.actor_id, event.changes["role"]) for event in changes] == [
        (None, ["user", "admin"]),
        (None, ["admin", "user"]),
    ]


def test_role_that_an_administrator_gave_stays_where_no_claim_decides(
    flow: Flow, provider: ScriptedProvider, configure: Callable[..., None]
) -> None:
    configure(oidc_signup=True)
    provider.claims = BOSS
    flow.sign_in()
    User.objects.update(role=Role.ADMIN)

    flow.sign_in()

    assert User.objects.get().role == Role.ADMIN


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "김민아"}, "김민아"),
        ({"preferred_username": "mina@corp.example"}, "mina"),
        ({"preferred_username": "taken"}, "taken-2"),
        ({"preferred_username": "admin", "email": "mina.k@example.com", "email_verified": True}, "mina.k"),
        ({"preferred_username": "a b/<c>"}, "a-b-c"),
    ],
)
def test_user_name_of_a_newcomer_is_free_and_allowed(
    claims: dict[str, object],
    name: str,
    flow: Flow,
    provider: ScriptedProvider,
    configure: Callable[..., None],
) -> None:
    configure(oidc_signup=True)
    User.objects.create_user("taken", None, PASSWORD)
    provider.claims = claims

    flow.sign_in()

    assert flow.signed_in_as() == name


def test_newcomer_without_any_name_gets_one_made_up(
    flow: Flow, provider: ScriptedProvider, configure: Callable[..., None]
) -> None:
    configure(oidc_signup=True)

    flow.sign_in()

    assert flow.signed_in_as().startswith("user-")


def test_only_the_break_glass_account_has_a_password_where_the_provider_is_the_only_way(
    flow: Flow, owner: User, configure: Callable[..., None]
) -> None:
    configure(oidc_only=True, oidc_break_glass="root", registration=True)
    User.objects.create_user("root", None, PASSWORD, role=Role.ADMIN)
    page = flow.client.get("/sign-in/").content.decode()
    registration = {"username": "newcomer", "password": PASSWORD}

    assert [log_in(client_at(), name).status_code for name in ("owner", "root")] == [401, 200]
    assert (
        client_at().post("/api/auth/register", registration, content_type="application/json").status_code
        == 403
    )
    assert client_at().post("/sign-up/", registration).status_code == 403
    assert page.index("/sign-in/oidc/") < page.index("<summary>") < page.index('name="password"')
