"""What verified claims say of somebody: who it is, which role it gets, in which groups it is. No database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from accounts.models import Role
from accounts.models.identities import MAX_SUBJECT
from accounts.oidc.refusals import Reason, SignInRefused
from gateway.conf_sign_in import SignInConfig

MOST_VALUES = 1000


@dataclass(frozen=True)
class Identity:
    """Somebody at the identity provider."""

    issuer: str
    subject: str
    username: str
    """What the provider suggests as one; nothing that is known to be free or good."""
    email: str
    """Empty unless the provider has verified it: others may have entered it."""
    role: Role | None
    """None where no claim decides it."""
    groups: frozenset[str] | None = None
    """Names of groups, or what stands for them; None where no claim decides."""


def read_identity(claims: Mapping[str, Any], config: SignInConfig) -> Identity:
    """The identity in claims whose token was verified. Raises SignInRefused."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise SignInRefused(Reason.BAD_ANSWER, "the claim sub is no subject")
    email = _read_verified_address(claims, config)
    domain = email.rpartition("@")[2].lower()
    if config.oidc_allowed_domains and domain not in config.oidc_allowed_domains:
        raise SignInRefused(Reason.FOREIGN_DOMAIN, domain)
    username = find_claim(claims, config.oidc_username_claim)
    return Identity(
        issuer=str(claims["iss"]).rstrip("/"),  # was verified; kept as OIDC_ISSUER is
        subject=subject,
        username=username if isinstance(username, str) else "",
        email=email,
        role=_read_role(claims, config),
        groups=read_values(claims, config.oidc_groups_claim) if config.oidc_groups_claim else None,
    )


def find_claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by a path with dots such as Keycloak's `realm_access.roles`; else None."""
    if name in claims:  # a name may itself have dots, as a URL has
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def read_values(claims: Mapping[str, Any], name: str) -> frozenset[str]:
    """The values of a claim that has several, or one."""
    found = find_claim(claims, name)
    values = found if isinstance(found, list) else [found]
    return frozenset(value for value in values[:MOST_VALUES] if isinstance(value, str))


def _read_verified_address(claims: Mapping[str, Any], config: SignInConfig) -> str:
    email, verified = claims.get("email"), find_claim(claims, config.oidc_verified_claim)
    # As a text in the answers of some providers, against OpenID Connect Core 1.0, section 5.1.
    is_verified = verified is True or verified in ("true", "True")
    return email.strip() if is_verified and isinstance(email, str) and "@" in email else ""


def _read_role(claims: Mapping[str, Any], config: SignInConfig) -> Role | None:
    if not config.oidc_role_claim:
        return None
    values = read_values(claims, config.oidc_role_claim)
    is_admin = any(role == Role.ADMIN for value, role in config.oidc_roles if value in values)
    return Role.ADMIN if is_admin else Role.USER
