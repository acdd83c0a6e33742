"""`manage.py test_alert`: send a test to the address of ALERT_WEBHOOK_URL."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from gateway.caller_language import say_here
from gateway.command_errors import refuse_input, report_failure
from gateway.conf import get_config
from gateway.wording import fill_in
from modelops.alerting.alerts import make_test_alert, word_alert
from modelops.alerting.payloads import choose_format, make_payload
from modelops.alerting.webhook import Webhook, WebhookFailed


class Command(BaseCommand):
    help = (
        "Send a test to the chat room or program of ALERT_WEBHOOK_URL, where the switcher sends alarms. "
        "Exit codes: 0: it was taken; 1: it was not, with the reason; 2: ALERT_WEBHOOK_URL is not set."
    )
    requires_system_checks: list[str] = []  # they would import all pages

    def handle(self, *args: Any, **options: Any) -> None:
        config = get_config()
        if not config.alert_webhook_url:
            raise refuse_input(fill_in("ALERT_WEBHOOK_URL is not set, so alarms are sent nowhere."))
        shape = choose_format(config.alert_webhook_url, config.alert_webhook_format)
        worded = word_alert(make_test_alert(timezone.now()), config.alert_language)
        with closing(Webhook(config.alert_webhook_url)) as webhook:
            try:
                webhook.post(make_payload(worded, shape))
            except WebhookFailed as exc:
                raise report_failure(
                    fill_in("The test was not taken: {reason}.", reason=exc.wording)
                ) from exc
            sent = fill_in(
                "{host} has taken the test, in the form of {format}.", host=webhook.host, format=shape
            )
        self.stdout.write(say_here(sent))
