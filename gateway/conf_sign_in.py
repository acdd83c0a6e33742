"""The settings about signing in with a company's identity provider by OpenID Connect (docs/sign-in.md)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.env import ConfigurationError, parse_boolean, parse_names, setting, url_with_scheme

ROLES = ("user", "admin")
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def is_safe_address(url: str) -> bool:
    """https, or this machine: everywhere else codes and secrets could be read on the way."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def parse_scopes(name: str, raw: str) -> tuple[str, ...]:
    """Scopes with blanks or commas between them; `openid`, which makes it OpenID Connect, is always one."""
    return tuple(dict.fromkeys(["openid", *re.split(r"[\s,]+", raw.strip())]))


def parse_role_mapping(name: str, raw: str) -> tuple[tuple[str, str], ...]:
    """`value=role` with commas between them, such as `llm-operators=admin,staff=user`."""
    pairs = []
    for word in parse_names(name, raw):
        value, separator, role = (part.strip() for part in word.rpartition("="))
        if not separator or not value or role not in ROLES:
            raise ConfigurationError(name, f"expected value=user or value=admin, got {word!r}")
        pairs.append((value, role))
    return tuple(pairs)


def parse_domains(name: str, raw: str) -> tuple[str, ...]:
    """Domains of e-mail addresses, in lower case."""
    domains = tuple(domain.lower() for domain in parse_names(name, raw))
    for domain in domains:
        if not re.fullmatch(r"[\w-]+(\.[\w-]+)+", domain):
            raise ConfigurationError(name, f"expected domains like example.com, got {domain!r}")
    return domains


@dataclass(frozen=True, kw_only=True)
class SignInConfig:
    """A part of `gateway.conf.GatewayConfig`."""

    oidc_issuer: str = setting(
        "OIDC_ISSUER",
        "",
        "The identity provider, by the URL that its tokens name as `iss`; empty: people sign in with "
        "passwords only.",
        url_with_scheme("https", "http"),
    )
    oidc_client_id: str = setting("OIDC_CLIENT_ID", "", "The gateway's id at the identity provider.")
    oidc_client_secret: str = setting(
        "OIDC_CLIENT_SECRET", "", "The gateway's secret at the identity provider."
    )
    oidc_name: str = setting(
        "OIDC_NAME", "", "What the button calls the identity provider; empty: your company account."
    )
    oidc_scopes: tuple[str, ...] = setting(
        "OIDC_SCOPES",
        ("openid", "profile", "email"),
        "What the gateway asks the identity provider for, with blanks or commas between them.",
        parse_scopes,
    )
    oidc_username_claim: str = setting(
        "OIDC_USERNAME_CLAIM", "preferred_username", "The claim from which a new account gets its user name."
    )
    oidc_verified_claim: str = setting(
        "OIDC_VERIFIED_CLAIM",
        "email_verified",
        "The claim that says whether the provider has verified the e-mail address.",
    )
    oidc_allowed_domains: tuple[str, ...] = setting(
        "OIDC_ALLOWED_DOMAINS",
        (),
        "Only people with a verified e-mail address in one of these domains may sign in; empty: everybody "
        "whom the provider lets in.",
        parse_domains,
    )
    oidc_signup: bool = setting(
        "OIDC_SIGNUP",
        False,
        "Whether somebody who is new gets an account; otherwise only accounts that exist are let in.",
        parse_boolean,
    )
    oidc_link_by_email: bool = setting(
        "OIDC_LINK_BY_EMAIL",
        False,
        "Whether somebody who is new takes over the account with the same e-mail address, if the provider "
        "has verified it. The account's password, sessions and API keys end.",
        parse_boolean,
    )
    oidc_role_claim: str = setting(
        "OIDC_ROLE_CLAIM",
        "",
        "The claim that decides the role at every sign-in, with dots for a claim within another one; empty: "
        "administrators decide.",
    )
    oidc_roles: tuple[tuple[str, str], ...] = setting(
        "OIDC_ROLES",
        (),
        "Which role a value of OIDC_ROLE_CLAIM gives, such as `llm-operators=admin`; other values: user.",
        parse_role_mapping,
    )
    oidc_groups_claim: str = setting(
        "OIDC_GROUPS_CLAIM",
        "",
        "The claim whose values name the groups of an account at every sign-in; empty: administrators do.",
    )
    oidc_only: bool = setting(
        "OIDC_ONLY",
        False,
        "Whether passwords work for the account of OIDC_BREAK_GLASS only.",
        parse_boolean,
    )
    oidc_break_glass: str = setting(
        "OIDC_BREAK_GLASS",
        "admin",
        "The user name of the account for emergencies: its password always works, and the provider never "
        "changes it.",
    )
