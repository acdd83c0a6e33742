"""The owner of conversations that a command names."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser

from gateway.command_errors import refuse_input
from gateway.near_names import suggest_names
from gateway.wording import fill_in


def find_owner(username: str) -> AbstractBaseUser:
    """By user name. Raises CommandError, naming accounts that were perhaps meant."""
    accounts = get_user_model()._default_manager
    owner = accounts.filter(username=username).first()
    if owner is None:
        names = accounts.order_by("username").values_list("username", flat=True)
        problem = fill_in("There is no account {name}.", name=repr(username))
        raise refuse_input(suggest_names(problem, username, names.iterator()))
    return owner
