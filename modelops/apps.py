from django.apps import AppConfig


class ModelopsConfig(AppConfig):
    name = "modelops"
    verbose_name = "Models"
    default_auto_field = "django.db.models.BigAutoField"
