from django.urls import path

from conversations.api import conversation_views as views
from conversations.api import export_views, feedback_views, import_views, message_views
from conversations.api.search_views import SearchView
from conversations.api.share_views import SharesOfConversationView

MESSAGE = "/<uuid:conversation_id>/messages/<uuid:message_id>"

urlpatterns = [
    path("", views.ConversationsView.as_view()),
    path("/bulk", views.BulkView.as_view()),
    path("/search", SearchView.as_view()),
    path("/export", export_views.ExportView.as_view()),
    path("/import", import_views.ImportView.as_view()),
    path("/<uuid:conversation_id>", views.ConversationView.as_view()),
    path("/<uuid:conversation_id>/export", export_views.ConversationExportView.as_view()),
    path("/<uuid:conversation_id>/restore", views.RestoredConversationView.as_view()),
    path("/<uuid:conversation_id>/duplicate", views.DuplicatesView.as_view()),
    path("/<uuid:conversation_id>/messages", message_views.MessagesView.as_view()),
    path(MESSAGE, message_views.MessageView.as_view()),
    path(f"{MESSAGE}/activate", message_views.ActiveBranchView.as_view()),
    path(f"{MESSAGE}/feedback", feedback_views.FeedbackView.as_view()),
    path("/<uuid:conversation_id>/shares", SharesOfConversationView.as_view()),
]
