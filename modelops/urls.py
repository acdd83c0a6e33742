from django.urls import path

from modelops.api import desk_views, fit_views, schedule_views, slot_views, switch_views
from modelops.api import profile_views as views

urlpatterns = [
    path("profiles", views.ProfilesView.as_view()),
    path("hardware-recommendations", views.HardwareRecommendationsView.as_view()),
    path("fit", fit_views.ProfileFitView.as_view()),
    path("recommendations", fit_views.RecommendationsView.as_view()),
    path("reload", views.ReloadView.as_view()),
    path("status", switch_views.StatusView.as_view()),
    path("switch", switch_views.SwitchView.as_view()),
    path("switches", switch_views.SwitchesView.as_view()),
    path("switches/<uuid:switch_id>", switch_views.SwitchDetailView.as_view()),
    path("switches/<uuid:switch_id>/cancel", switch_views.SwitchCancelView.as_view()),
    path("desk", desk_views.DeskView.as_view()),
    path("desk/history", desk_views.DeskHistoryView.as_view()),
    path("switches/<uuid:switch_id>/keep-context", switch_views.SwitchKeepContextView.as_view()),
    path("schedule", schedule_views.ScheduleView.as_view()),
    path("schedule/<uuid:window_id>", schedule_views.ScheduleWindowView.as_view()),
    path("slots", slot_views.SlotsView.as_view()),
    path("slots/<slug:slot_name>", slot_views.SlotDetailView.as_view()),
    path("slots/<slug:slot_name>/retire", slot_views.SlotRetireView.as_view()),
    path("engines", switch_views.EnginesView.as_view()),
]
