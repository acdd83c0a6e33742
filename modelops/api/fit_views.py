"""Advice for operators: how a profile fits and what would be better, and which model serves so many users."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.rest import answer
from modelops.api.fit_serializers import (
    DemandAnswerSerializer,
    DemandQuerySerializer,
    FitAnswerSerializer,
    FitQuerySerializer,
)
from modelops.api.profile_views import read_query
from modelops.domain.fit.demand import UserDemand
from modelops.domain.fit.report import Aim, serialise_report
from modelops.fit.demand_fits import choose_models, recommend_for, summarise_demand
from modelops.fit.profile_fits import check_profile, get_gpu_choice, get_profile
from modelops.fit.summary import serialise_hardware


class ProfileFitView(APIView):
    """Each report takes a search of some 100 ms, so that only admins may ask."""

    permission_classes = [IsAdminUser]

    @extend_schema(
        parameters=[FitQuerySerializer],
        responses=FitAnswerSerializer,
        tags=["models"],
        summary="How a profile fits the GPUs, with suggestions",
    )
    def get(self, request: Request) -> Response:
        query = read_query(FitQuerySerializer, request)
        profile, choice = get_profile(query["profile"]), get_gpu_choice(query.get("hardware"))
        fit = check_profile(profile, choice, aim=Aim(query["aim"]))
        return answer(
            {
                "id": profile.slug,
                "hardware": serialise_hardware(choice, for_admin=True),
                "report": serialise_report(fit.report),
            }
        )


class RecommendationsView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        parameters=[DemandQuerySerializer],
        responses=DemandAnswerSerializer,
        tags=["models"],
        summary="Which models hold so many requests at once, and with which settings",
    )
    def get(self, request: Request) -> Response:
        query = read_query(DemandQuerySerializer, request)
        names = [name.strip() for name in query.get("models", "").split(",") if name.strip()]
        choice, demand = get_gpu_choice(query.get("hardware")), UserDemand(query["users"], query["tokens"])
        fits = recommend_for(choose_models(names), choice, demand, keeps_order=bool(names))
        return answer(
            {
                "demand": {"users": demand.users, "tokens": demand.tokens},
                "hardware": serialise_hardware(choice, for_admin=True),
                "recommendations": [summarise_demand(fit) for fit in fits],
            }
        )
