"""Says in a page for how long somebody is refused."""

from __future__ import annotations

import math

from django.utils.translation import gettext, ngettext

from gateway.errors import RetryableError
from gateway.wording import say

MINUTE_S = 60
HOUR_S = 60 * MINUTE_S


def describe_wait(refusal: RetryableError) -> str:
    """What was refused, and when it is worth another try."""
    return f"{say(refusal.wording, gettext)} {_try_again_in(refusal.wait_s)}"


def _try_again_in(wait_s: float) -> str:
    seconds, minutes, hours = (max(1, math.ceil(wait_s / unit)) for unit in (1, MINUTE_S, HOUR_S))
    if wait_s <= MINUTE_S:
        text = ngettext("Try again in {count} second.", "Try again in {count} seconds.", seconds)
        return text.format(count=seconds)
    if wait_s <= HOUR_S:
        text = ngettext("Try again in {count} minute.", "Try again in {count} minutes.", minutes)
        return text.format(count=minutes)
    text = ngettext("Try again in {count} hour.", "Try again in {count} hours.", hours)
    return text.format(count=hours)
