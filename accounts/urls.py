from django.urls import path

from accounts import views

urlpatterns = [
    path("login", views.LoginView.as_view()),
    path("refresh", views.RefreshView.as_view()),
    path("me", views.MeView.as_view()),
]
