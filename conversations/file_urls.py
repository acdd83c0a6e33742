from django.urls import path

from conversations.api import file_views as views

urlpatterns = [
    path("", views.FilesView.as_view()),
    path("/<uuid:file_id>", views.FileView.as_view()),
    path("/<uuid:file_id>/content", views.FileContentView.as_view()),
]
