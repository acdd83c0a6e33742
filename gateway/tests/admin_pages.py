"""The admin's pages, which a process imports only when it needs them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model


def registered_pages() -> dict[type[Model], admin.ModelAdmin[Any]]:
    """By model, and never none."""
    admin.autodiscover()
    assert admin.site._registry
    return admin.site._registry
