"""How commands end that do not succeed: 2 for what was asked for, 1 for what went wrong while doing it.

argparse ends with 2 by itself. Commands with more to say have codes of their own beside these two.
"""

from __future__ import annotations

from django.core.management.base import CommandError

from gateway.caller_language import say_here
from gateway.errors import GatewayError, status_of
from gateway.wording import fill_in

ACTION_FAILED = 1
BAD_INPUT = 2
SERVER_ERRORS = 500


def refuse_input(message: str) -> CommandError:
    """To be raised where a command cannot be carried out as it was asked for, whenever it is repeated."""
    return CommandError(say_here(message), returncode=BAD_INPUT)


def report_failure(message: str) -> CommandError:
    """To be raised where what was asked for is in order, and could not be done."""
    return CommandError(say_here(message), returncode=ACTION_FAILED)


def to_command_error(error: GatewayError, *, about: str = "") -> CommandError:
    """The error with its exit code; `about` names the argument that is meant."""
    message = error.wording
    if about:
        message = fill_in("{argument}: {problem}", argument=about, problem=message)
    return report_failure(message) if status_of(error) >= SERVER_ERRORS else refuse_input(message)
