from django.urls import path

from conversations.api import prompt_views as views

urlpatterns = [
    path("", views.PromptsView.as_view()),
    path("/<uuid:prompt_id>", views.PromptView.as_view()),
]
