from django.urls import path

from accounts import group_views

urlpatterns = [
    path("", group_views.GroupsView.as_view()),
    path("/<uuid:group_id>", group_views.GroupView.as_view()),
    path("/<uuid:group_id>/members/<uuid:user_id>", group_views.GroupMemberView.as_view()),
    path("/<uuid:group_id>/limits/<str:limit_kind>", group_views.GroupLimitView.as_view()),
]
