from django.urls import path

from modelops import views

urlpatterns = [
    path("profiles", views.ProfilesView.as_view()),
    path("hardware-recommendations", views.HardwareRecommendationsView.as_view()),
    path("reload", views.ReloadView.as_view()),
]
