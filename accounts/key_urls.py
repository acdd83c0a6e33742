from django.urls import path

from accounts import key_views

urlpatterns = [
    path("", key_views.KeysView.as_view()),
    path("/<uuid:key_id>", key_views.KeyView.as_view()),
    path("/<uuid:key_id>/rotate", key_views.RotateKeyView.as_view()),
]
