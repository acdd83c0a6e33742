from django.urls import path

from accounts import (
    leaving_views,
    openapi,  # noqa: F401 - drf-spectacular finds it once it is imported
    session_views,
    views,
)

urlpatterns = [
    path("login", views.LoginView.as_view()),
    path("register", views.RegisterView.as_view()),
    path("refresh", session_views.RefreshView.as_view()),
    path("page-token", session_views.PageTokenView.as_view()),
    path("logout", session_views.LogoutView.as_view()),
    path("me", views.MeView.as_view()),
    path("me/copy", leaving_views.AccountCopyView.as_view()),
    path("password", views.PasswordView.as_view()),
    path("sessions", session_views.SessionsView.as_view()),
    path("sessions/<uuid:session_id>", session_views.SessionView.as_view()),
]
