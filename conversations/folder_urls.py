from django.urls import path

from conversations.api import folder_views as views

urlpatterns = [
    path("", views.FoldersView.as_view()),
    path("/<uuid:folder_id>", views.FolderView.as_view()),
]
