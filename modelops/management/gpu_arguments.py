"""Options that the commands about GPUs share."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError

from gateway.caller_language import say_here
from gateway.wording import fill_in

LONGEST_WAIT_S = 24 * 3600
LONGEST_HISTORY_HOURS = 366 * 24


def parse_seconds(text: str) -> float:
    """A length of time above zero, a day at most. Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_WAIT_S:
        raise ArgumentTypeError(
            say_here(
                fill_in(
                    "{text} is not a number of seconds above 0 and at most {most}",
                    text=repr(text),
                    most=LONGEST_WAIT_S,
                )
            )
        )
    return seconds


def parse_count(text: str) -> int:
    """A whole number above zero. Raises ArgumentTypeError."""
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) == 0:
        raise ArgumentTypeError(say_here(fill_in("{text} is not a whole number above zero", text=repr(text))))
    return int(text)


def parse_hours(text: str) -> int:
    """Whole hours, a year at most. Raises ArgumentTypeError."""
    hours = parse_count(text)
    if hours > LONGEST_HISTORY_HOURS:
        raise ArgumentTypeError(
            say_here(
                fill_in(
                    "{text} is more than {most} hours",
                    text=text,
                    most=LONGEST_HISTORY_HOURS,
                )
            )
        )
    return hours


def add_own_pid(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--own-pid",
        type=parse_count,
        action="append",
        default=[],
        metavar="PID",
        help="An engine of this gateway: it and what it started are ours. Once for each engine.",
    )
