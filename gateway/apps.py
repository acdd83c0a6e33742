from django.apps import AppConfig


class GatewayProjectConfig(AppConfig):
    name = "gateway"

    def ready(self) -> None:
        from gateway import checks  # noqa: F401 - registers them
