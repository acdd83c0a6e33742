"""What is said of an alarm when it begins and when it is over, in the installation's language."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from django.utils.translation import gettext, override

from gateway.wording import FilledText, fill_in, say

MOST_CHARACTERS = 1500
"""Of a message or an advice: Discord refuses what is longer than 4096, and nobody reads it in a chat."""


class AlertEvent(StrEnum):
    BEGAN = "began"
    ENDED = "ended"
    TEST = "test"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One thing to be told. Its texts are still to be translated."""

    event: AlertEvent
    code: str
    level: str
    message: str
    advice: str
    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class WordedAlert:
    """An alert as it is read."""

    alert: Alert
    title: str
    """One sentence, with what it is in front of it."""
    body: str
    """What to do; empty once it is over."""
    footer: str
    """Where it was, and when."""


def make_test_alert(now: datetime) -> Alert:
    return Alert(
        event=AlertEvent.TEST,
        code="test",
        level="warn",
        message=fill_in("alarms of this gateway will come here."),
        advice=fill_in("Nothing has to be done."),
        began_at=now,
    )


def word_alert(alert: Alert, language: str) -> WordedAlert:
    with override(language):
        return WordedAlert(
            alert=alert,
            title=_shorten(say(_make_title(alert), gettext)),
            body="" if alert.event is AlertEvent.ENDED else _shorten(say(alert.advice, gettext)),
            footer=say(_make_footer(alert), gettext),
        )


def _make_title(alert: Alert) -> FilledText:
    if alert.event is AlertEvent.TEST:
        return fill_in("Test: {message}", message=alert.message)
    if alert.event is AlertEvent.ENDED:
        return fill_in("Over: {message}", message=alert.message)
    if alert.level == "bad":
        return fill_in("Alarm: {message}", message=alert.message)
    return fill_in("Warning: {message}", message=alert.message)


def _make_footer(alert: Alert) -> FilledText:
    values = {"host": socket.gethostname(), "began": write_minute(alert.began_at)}
    if alert.ended_at is not None:
        return fill_in(
            "vLLM Chat Gateway on {host}, from {began} to {ended}",
            ended=write_minute(alert.ended_at),
            **values,
        )
    if alert.event is AlertEvent.TEST:
        return fill_in("vLLM Chat Gateway on {host}, {began}", **values)
    return fill_in("vLLM Chat Gateway on {host}, since {began}", **values)


def write_minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _shorten(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 1]}…"
