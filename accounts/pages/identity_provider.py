"""What the pages for signing in say of the identity provider."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext

from gateway.conf_sign_in import SignInConfig


@dataclass(frozen=True)
class ProviderButton:
    """The button that leads to the identity provider."""

    label: str
    is_only_way: bool
    """Whether passwords are for emergencies."""


def describe_provider(config: SignInConfig) -> ProviderButton | None:
    """None where there is no identity provider."""
    if not config.oidc_issuer:
        return None
    if config.oidc_name:
        label = gettext("Sign in with {name}").format(name=config.oidc_name)
    else:
        label = gettext("Sign in with your company account")
    return ProviderButton(label, config.oidc_only)
