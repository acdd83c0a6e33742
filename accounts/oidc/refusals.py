"""Why a sign-in by way of the identity provider fails, and what its owner reads of it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.utils.translation import gettext

from gateway.wording import Translatable, say


class Reason(StrEnum):
    """Also what the address of the sign-in page says."""

    CANCELLED = "cancelled"
    UNREACHABLE = "unreachable"
    NOT_STARTED_HERE = "not-started-here"
    BAD_ANSWER = "bad-answer"
    FOREIGN_DOMAIN = "foreign-domain"
    UNKNOWN = "unknown"
    ADDRESS_TAKEN = "address-taken"
    INACTIVE = "inactive"


_TEXTS: Mapping[Reason, Translatable] = {
    Reason.CANCELLED: "The identity provider did not sign you in.",
    Reason.UNREACHABLE: "The identity provider does not answer. Try again in a moment.",
    Reason.NOT_STARTED_HERE: "This sign-in was not started in this browser, or too long ago. Start again.",
    Reason.BAD_ANSWER: "The identity provider's answer is not valid. Tell your administrator.",
    Reason.FOREIGN_DOMAIN: "Your e-mail address is not verified, or not in a domain that may sign in here.",
    Reason.UNKNOWN: "There is no account for you yet. Ask your administrator for one.",
    Reason.ADDRESS_TAKEN: "An account with your e-mail address exists already. "
    "Ask your administrator to link it.",
    Reason.INACTIVE: "Your account is deactivated. Ask your administrator.",
}


class SignInRefused(Exception):
    """Somebody is not signed in. `detail` is for the log: of the provider's answer, and nothing secret."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else str(reason))
        self.reason = reason
        self.detail = detail


def say_refusal(reason: str) -> str:
    """The sentence for what the page's address says; empty for what is no reason."""
    return say(_TEXTS[Reason(reason)], gettext) if reason in set(Reason) else ""
