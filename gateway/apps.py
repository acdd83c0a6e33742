from django.apps import AppConfig


class GatewayProjectConfig(AppConfig):
    name = "gateway"

    def ready(self) -> None:
        from django.utils.translation import gettext

        from gateway import checks  # noqa: F401 - registers them
        from gateway.conf import get_config
        from gateway.database.comments import comment_statements
        from gateway.model_names import translate_models
        from gateway.wording import FilledText

        if get_config().database_comments:
            comment_statements()
        FilledText.translate_for_page = staticmethod(gettext)
        translate_models()
