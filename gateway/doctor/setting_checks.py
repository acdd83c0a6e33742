"""Settings as the gateway's own checks judge them, and the token of the model hub."""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
from django.core.checks import ERROR, run_checks

from gateway.checks import OWN_CHECKS
from gateway.doctor.findings import Finding, FindingKind, VantagePoint
from gateway.doctor.reports import list_reporters
from gateway.wording import fill_in
from modelops.profiles.hub import read_hub_settings

HUB_TIMEOUT_S = 4.0


def check_settings(place: VantagePoint) -> Iterator[Finding]:
    """One finding for each thing that `manage.py check --deploy` says about settings of ours."""
    messages = run_checks(tags=[OWN_CHECKS], include_deployment_checks=True)
    for message in messages:
        yield Finding(
            f"settings.{message.id}",
            FindingKind.PROBLEM if message.level >= ERROR else FindingKind.NOTE,
            message.msg,
            message.hint or "",
        )
    if not messages:
        yield Finding("settings", FindingKind.OK, fill_in("Nothing speaks against the settings."))


def check_hub_token(place: VantagePoint) -> Iterator[Finding]:
    """Whether the hub takes HF_TOKEN: one small request, and a note where the hub cannot be reached."""
    hub = read_hub_settings(os.environ)
    token = place.config.hf_token or hub.token
    if not token:
        yield _judge_missing_token(place)
        return
    if hub.is_offline:
        yield Finding(
            "hub_token", FindingKind.NOTE, fill_in("HF_HUB_OFFLINE is set: the token is not tried.")
        )
        return
    try:
        answer = httpx.get(
            f"{hub.endpoint}/api/whoami-v2",
            headers={"Authorization": f"Bearer {token}"},
            timeout=HUB_TIMEOUT_S,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        yield Finding(
            "hub_token",
            FindingKind.NOTE,
            fill_in("The hub cannot be reached from here ({error}).", error=type(exc).__name__),
            fill_in("That is right on a closed network: the weights have to be on the disk then."),
            {"endpoint": hub.endpoint},
        )
        return
    facts = {"endpoint": hub.endpoint, "status": answer.status_code}
    if answer.is_success:
        yield Finding("hub_token", FindingKind.OK, fill_in("The hub takes the token."), facts=facts)
    elif answer.status_code in (401, 403):
        yield Finding(
            "hub_token",
            FindingKind.PROBLEM,
            fill_in("The hub refuses HF_TOKEN ({status}).", status=answer.status_code),
            fill_in(
                "Make a new one with read access at https://huggingface.co/settings/tokens, put it into "
                ".env and run "
                "docker compose up -d switcher."
            ),
            facts,
        )
    else:
        yield Finding(
            "hub_token",
            FindingKind.UNKNOWN,
            fill_in("The hub answered {status} when asked about the token.", status=answer.status_code),
            facts=facts,
        )


def _judge_missing_token(place: VantagePoint) -> Finding:
    """In web's container it is missing on purpose."""
    told = [
        fact.get("has_hf_token")
        for each in list_reporters(place)
        for fact in each.facts.values()
        if isinstance(fact, dict)
    ]
    if any(told):
        return Finding(
            "hub_token", FindingKind.OK, fill_in("The switcher has a token; this process needs none.")
        )
    return Finding(
        "hub_token",
        FindingKind.NOTE,
        fill_in("There is no HF_TOKEN: public models can be fetched, gated ones cannot."),
        fill_in("Set HF_TOKEN in .env for models that ask for consent (Llama, Gemma and others)."),
    )
