"""Remedies as buttons of the admin: where each leads, and what stands beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext

from gateway.wording import say
from modelops.desk.remedy_links import find_remedy_link
from modelops.domain.fit.report_text import format_bytes
from modelops.switching.remedies import GpuHolder, RemedyOffer


@dataclass(frozen=True)
class RemedyButton:
    """`link` is empty for what is done outside of the gateway."""

    kind: str
    title: str
    hint: str
    link: str
    command: str
    holders: tuple[tuple[GpuHolder, str], ...]
    """With the memory in words."""


def make_buttons(offers: Iterable[RemedyOffer]) -> list[RemedyButton]:
    return [_make_button(offer) for offer in offers]


def _make_button(offer: RemedyOffer) -> RemedyButton:
    return RemedyButton(
        str(offer.remedy.kind),
        title=say(offer.title, gettext),
        hint=say(offer.hint, gettext),
        link=find_remedy_link(offer),
        command=offer.command,
        holders=tuple(
            (each, format_bytes(each.used_bytes) if each.used_bytes is not None else "–")
            for each in offer.holders
        ),
    )
