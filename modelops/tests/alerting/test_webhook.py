"""Shapes of messages, where they may be sent, and `manage.py test_alert`."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gateway.conf import GatewayConfig, secret_values
from gateway.redaction import Redactor
from modelops.alerting.alerts import Alert, AlertEvent, WordedAlert, make_test_alert, word_alert
from modelops.alerting.payloads import choose_format, make_payload
from modelops.alerting.webhook import Webhook, WebhookFailed
from modelops.management.commands import test_alert
from modelops.tests.alerting.receiver import Receiver, make_certificate, start_receiver

NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
NASTY = Alert(
    event=AlertEvent.BEGAN,
    code="degraded",
    level="bad",
    message="Slot a serves nothing: <!channel> said @everyone & left.",
    advice="Look @here.",
    began_at=NOON,
)


def make(shape: str, alert: Alert = NASTY) -> dict[str, Any]:
    return make_payload(word(alert), shape)


def word(alert: Alert) -> WordedAlert:
    return word_alert(alert, "en")


@pytest.mark.parametrize(
    ("url", "shape"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", "slack"),
        ("https://discord.com/api/webhooks/1/x", "discord"),
        ("https://ptb.discord.com/api/webhooks/1/x", "discord"),
        ("https://discord.com/api/webhooks/1/x/slack", "slack"),
        ("https://chat.example.com/hooks/x", "mattermost"),
        ("https://notdiscord.com/x", "json"),
    ],
)
def test_form_follows_from_the_address_unless_it_is_set(url: str, shape: str) -> None:
    assert choose_format(url, "auto") == shape
    assert choose_format(url, "mattermost") == "mattermost"


def test_slack_and_mattermost_get_text_and_an_attachment_that_call_nobody() -> None:
    slack, mattermost = make("slack"), make("mattermost")

    assert slack["text"] == "*Alarm: Slot a serves nothing: &lt;!channel&gt; said @everyone &amp; left.*"
    assert slack["attachments"][0]["color"] == "#c0392b"
    assert "since 2026-11-30 12:00 UTC" in slack["attachments"][0]["footer"]
    assert "@everyone" not in mattermost["text"] and "@here" not in mattermost["attachments"][0]["text"]


def test_discord_gets_an_embed_within_its_bounds_that_calls_nobody() -> None:
    long = make("discord", replace(NASTY, message="x" * 5000))

    assert len(long["embeds"][0]["title"]) == 256
    assert len(long["embeds"][0]["description"]) < 4096
    assert long["allowed_mentions"] == {"parse": []}


def test_end_has_its_times_and_no_advice_and_another_colour() -> None:
    ended = replace(NASTY, event=AlertEvent.ENDED, ended_at=NOON.replace(minute=7))

    said = make("slack", ended)

    assert said["text"].startswith("*Over: ")
    assert said["attachments"][0]["text"] == ""
    assert said["attachments"][0]["color"] != make("slack")["attachments"][0]["color"]
    assert "from 2026-11-30 12:00 UTC to 2026-11-30 12:07 UTC" in said["attachments"][0]["footer"]


def test_every_text_is_said_in_korean() -> None:
    worded = word_alert(make_test_alert(NOON), "ko")

    assert worded.title != word(make_test_alert(NOON)).title
    assert worded.body != word(make_test_alert(NOON)).body
    assert "since" not in worded.footer


def test_address_reaches_its_host_by_the_name_that_was_given(receiver: Receiver) -> None:
    Webhook(receiver.url).post({"title": "hello"})

    assert receiver.titles() == ["hello"]
    assert receiver.hosts[0].startswith("localhost:")


def test_tls_is_checked_for_the_name_although_the_connection_goes_to_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, foreign = tmp_path / "own.pem", tmp_path / "foreign.pem"
    make_certificate(own, "localhost")
    make_certificate(foreign, "chat.example.com")
    monkeypatch.setenv("SSL_CERT_FILE", str(own))

    with start_receiver(own) as trusted:
        Webhook(trusted.url).post({"title": "hello"})
        monkeypatch.setenv("SSL_CERT_FILE", str(foreign))
        with pytest.raises(WebhookFailed, match="cannot be reached"):
            Webhook(trusted.url).post({})
    with start_receiver(foreign) as impostor, pytest.raises(WebhookFailed, match="cannot be reached"):
        Webhook(impostor.url).post({})

    assert trusted.titles() == ["hello"]
    assert impostor.received == []


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]", "224.0.0.1", "0.0.0.0"]
)
def test_addresses_of_the_link_and_of_nobody_are_refused(host: str) -> None:
    with pytest.raises(WebhookFailed, match="where no alarm is sent"):
        Webhook(f"http://{host}/latest/meta-data").post({})


def test_failures_name_the_host_and_nothing_else_of_the_address(receiver: Receiver) -> None:
    receiver.answers = [(404, {})]
    for url in (
        receiver.url,
        "http://localhost:1/hooks/top-secret-token",
        "http://no.invalid/top-secret-token",
    ):
        with pytest.raises(WebhookFailed) as failure:
            Webhook(url).post({})

        assert "top-secret" not in str(failure.value)
        assert "localhost" in str(failure.value) or "no.invalid" in str(failure.value)


def test_address_is_taken_out_of_logs_whole_and_in_parts() -> None:
    config = GatewayConfig(alert_webhook_url="https://hooks.slack.com/services/T0/B0/abcdefgh")
    redactor = Redactor(secret_values(config))

    assert "abcdefgh" not in redactor.clean("POST https://hooks.slack.com/services/T0/B0/abcdefgh failed")
    assert "abcdefgh" not in redactor.clean("POST https://3.4.5.6/services/T0/B0/abcdefgh failed")
    assert "abcdefgh" not in repr(config)


def run_command(monkeypatch: pytest.MonkeyPatch, url: str) -> str:
    monkeypatch.setattr(test_alert, "get_config", lambda: GatewayConfig(alert_webhook_url=url))
    out = io.StringIO()
    call_command("test_alert", stdout=out)
    return out.getvalue()


def test_command_sends_a_test_and_says_who_took_it(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = run_command(monkeypatch, receiver.url)

    assert said == "localhost has taken the test, in the form of mattermost.\n"
    assert receiver.received[0]["text"] == "**Test: alarms of this gateway will come here.**"


def test_command_says_why_it_was_not_taken_and_that_no_address_is_set(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.answers = [(403, {})]

    with pytest.raises(
        CommandError, match=r"not taken: localhost answered with the status 403\.$"
    ) as refused:
        run_command(monkeypatch, receiver.url)
    with pytest.raises(CommandError, match="ALERT_WEBHOOK_URL is not set") as unset:
        run_command(monkeypatch, "")

    assert (refused.value.returncode, unset.value.returncode) == (1, 2)
