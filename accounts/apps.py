from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class AccountsConfig(AppConfig):
    name = "accounts"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from accounts import openapi  # noqa: F401 - drf-spectacular finds it once it is imported


class AccountsAdminConfig(admin_apps.AdminConfig):
    """Stands for `django.contrib.admin` among the apps."""

    default = False  # not what the name `accounts` means
    default_site = "accounts.admin_site.GatewayAdminSite"
