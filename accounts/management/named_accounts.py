"""The account that a command names."""

from __future__ import annotations

from accounts.models import User
from gateway.command_errors import refuse_input
from gateway.near_names import suggest_names
from gateway.wording import fill_in


def find_account(login: str) -> User:
    """By user name or e-mail address. Raises CommandError, naming accounts that were perhaps meant.

    For the command line alone: elsewhere nobody learns which accounts there are.
    """
    user = User.objects.find_by_login(login)
    if user is None:
        names = User.objects.order_by("username").values_list("username", flat=True)
        problem = fill_in("There is no account {name}.", name=repr(login))
        raise refuse_input(suggest_names(problem, login, names.iterator()))
    return user
