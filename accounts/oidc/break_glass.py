"""The account for emergencies, and who may use a password at all."""

from __future__ import annotations

from accounts.models import User
from accounts.names import fold
from gateway.conf_sign_in import SignInConfig


def is_break_glass(user: User, config: SignInConfig) -> bool:
    """Whether it is the account for emergencies, which the provider never changes."""
    return bool(config.oidc_break_glass) and user.folded_name == fold(config.oidc_break_glass)


def may_use_password(user: User, config: SignInConfig) -> bool:
    return not config.oidc_only or is_break_glass(user, config)
