from django.urls import path

from conversations.api import conversation_views as views
from conversations.api.share_views import SharesOfConversationView

urlpatterns = [
    path("", views.ConversationsView.as_view()),
    path("/bulk", views.BulkView.as_view()),
    path("/<uuid:conversation_id>", views.ConversationView.as_view()),
    path("/<uuid:conversation_id>/restore", views.RestoredConversationView.as_view()),
    path("/<uuid:conversation_id>/duplicate", views.DuplicatesView.as_view()),
    path("/<uuid:conversation_id>/shares", SharesOfConversationView.as_view()),
]
