"""The JSON that chat services take at their webhooks.

- Slack: https://api.slack.com/messaging/webhooks, attachments for the colour
- Mattermost: https://developers.mattermost.com/integrate/webhooks/incoming/, the same with Markdown
- Discord: https://discord.com/developers/docs/resources/webhook#execute-webhook
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from modelops.alerting.alerts import AlertEvent, WordedAlert

AUTO = "auto"
DISCORD_HOSTS = ("discord.com", "discordapp.com")
DISCORD_TITLE = 256
COLOURS = {"bad": 0xC0392B, "warn": 0xB9770E}
OVER_COLOUR = 0x1E8449
NO_BREAK = "\u200b"
"""Between an @ and a name, so that nobody is called whose name stands in an engine's log."""


def choose_format(url: str, wanted: str) -> str:
    """The format of the settings, or else the one that the address tells; `json` where it tells none."""
    if wanted != AUTO:
        return wanted
    parts = urlsplit(url)
    host, path = parts.hostname or "", parts.path
    if host == "hooks.slack.com" or path.endswith("/slack"):  # Discord takes Slack's there
        return "slack"
    if host in DISCORD_HOSTS or host.endswith(tuple(f".{each}" for each in DISCORD_HOSTS)):
        return "discord"
    return "mattermost" if path.startswith("/hooks/") else "json"


def make_payload(worded: WordedAlert, shape: str) -> dict[str, Any]:
    return _MAKERS[shape](worded)


def _make_slack(worded: WordedAlert) -> dict[str, Any]:
    return _attach(worded, f"*{_escape_slack(worded.title)}*", _escape_slack(worded.body))


def _make_mattermost(worded: WordedAlert) -> dict[str, Any]:
    return _attach(worded, f"**{_call_nobody(worded.title)}**", _call_nobody(worded.body))


def _attach(worded: WordedAlert, text: str, body: str) -> dict[str, Any]:
    attachment = {
        "fallback": worded.title,
        "color": f"#{_choose_colour(worded):06x}",
        "text": body,
        "footer": worded.footer,
    }
    return {"text": text, "attachments": [attachment]}


def _make_discord(worded: WordedAlert) -> dict[str, Any]:
    title = worded.title
    embed = {
        "title": title if len(title) <= DISCORD_TITLE else f"{title[: DISCORD_TITLE - 1]}…",
        "description": worded.body if len(title) <= DISCORD_TITLE else f"{title}\n\n{worded.body}",
        "color": _choose_colour(worded),
        "footer": {"text": worded.footer},
    }
    return {"embeds": [embed], "allowed_mentions": {"parse": []}}


def _make_plain(worded: WordedAlert) -> dict[str, Any]:
    """For programs: codes and times beside the texts."""
    alert = worded.alert
    return {
        "event": str(alert.event),
        "code": alert.code,
        "level": alert.level,
        "title": worded.title,
        "advice": worded.body,
        "footer": worded.footer,
        "began_at": alert.began_at.isoformat(),
        "ended_at": alert.ended_at.isoformat() if alert.ended_at else None,
    }


_MAKERS = {
    "slack": _make_slack,
    "mattermost": _make_mattermost,
    "discord": _make_discord,
    "json": _make_plain,
}


def _choose_colour(worded: WordedAlert) -> int:
    if worded.alert.event is AlertEvent.ENDED:
        return OVER_COLOUR
    return COLOURS.get(worded.alert.level, COLOURS["warn"])


def _escape_slack(text: str) -> str:
    """`<!channel>` and links are written in angle brackets there."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _call_nobody(text: str) -> str:
    return text.replace("@", f"@{NO_BREAK}")
