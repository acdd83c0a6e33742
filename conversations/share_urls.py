from django.urls import path

from conversations.api import share_views as views

urlpatterns = [
    path("shares", views.SharesView.as_view()),
    path("shares/<uuid:share_id>", views.ShareView.as_view()),
    path("shared/<str:token>", views.SharedView.as_view()),
]
