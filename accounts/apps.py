from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin import apps as admin_apps
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core import checks


class AccountsConfig(AppConfig):
    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"


class AccountsAdminConfig(admin_apps.SimpleAdminConfig):
    """Stands for `django.contrib.admin` among the apps.

    The apps' pages are imported with `gateway.urls`, or to be checked: most commands need none of them.
    """

    default = False  # not what the name `accounts` means
    default_site = "accounts.admin_site.GatewayAdminSite"

    def ready(self) -> None:
        checks.register(check_dependencies, checks.Tags.admin)
        checks.register(check_admin_pages, checks.Tags.admin)


def check_admin_pages(**options: Any) -> Sequence[checks.CheckMessage]:
    """Django's checks of every page."""
    admin.autodiscover()
    return check_admin_app(**options)
