"""Filters for texts that are translated only when a page is made (`gateway.wording`).

Django's own filters of strings would make them English first: `capfirst` does.
"""

from __future__ import annotations

from django import template

from gateway.wording import end_sentence

register = template.Library()


@register.filter
def sentence(text: str) -> str:
    """With a capital in front and a full stop behind, in the reader's language."""
    return end_sentence(text) if text else text
