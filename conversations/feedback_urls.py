from django.urls import path

from conversations.api.feedback_views import AllFeedbackView

urlpatterns = [path("", AllFeedbackView.as_view(), name="feedback")]
