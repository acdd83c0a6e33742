"""List profiles with their fit, recommend some for the hardware, load the file of profiles again."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAdminUser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.rest import StrictSerializer, answer
from modelops.api.profile_serializers import (
    EmptyQuerySerializer,
    HardwareQuerySerializer,
    ModelProfileListSerializer,
    RecommendationListSerializer,
    ReloadRequestSerializer,
    ReloadResultSerializer,
    serialise_profile,
)
from modelops.fit.profile_fits import assess_profiles, get_gpu_choice, rank_profiles
from modelops.fit.summary import reduce_fit, serialise_hardware, summarise_fit
from modelops.models import ModelProfile
from modelops.profiles.reloading import reload_profiles


class ProfilesView(APIView):
    @extend_schema(
        responses=ModelProfileListSerializer, tags=["models"], summary="Profiles and how they fit the GPUs"
    )
    def get(self, request: Request) -> Response:
        read_query(EmptyQuerySerializer, request)
        is_admin = _is_admin(request)
        rows = ModelProfile.objects.all() if is_admin else ModelProfile.objects.enabled()
        choice = get_gpu_choice()
        fits = assess_profiles(rows, choice)
        return answer(
            {
                "profiles": [serialise_profile(fit, for_admin=is_admin) for fit in fits],
                "hardware": serialise_hardware(choice, for_admin=is_admin),
            }
        )


class HardwareRecommendationsView(APIView):
    @extend_schema(
        parameters=[HardwareQuerySerializer],
        responses=RecommendationListSerializer,
        tags=["models"],
        summary="The enabled profiles, the best for the hardware first",
    )
    def get(self, request: Request) -> Response:
        query = read_query(HardwareQuerySerializer, request)
        choice = get_gpu_choice(query.get("hardware"))
        ranked = rank_profiles(ModelProfile.objects.enabled(), choice)
        is_admin = _is_admin(request)
        return answer(
            {
                "hardware": serialise_hardware(choice, for_admin=is_admin),
                "recommendations": [
                    {
                        "id": fit.profile.slug,
                        "name": fit.profile.display_name,
                        **reduce_fit(summarise_fit(fit), for_admin=is_admin),
                    }
                    for fit in ranked
                ],
            }
        )


class ReloadView(APIView):
    permission_classes = [IsAdminUser]

    @extend_schema(
        request=ReloadRequestSerializer,
        responses=ReloadResultSerializer,
        tags=["models"],
        summary="Load the file of profiles again",
    )
    def post(self, request: Request) -> Response:
        serializer = ReloadRequestSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        result = reload_profiles(**serializer.validated_data, request=request)
        return answer(result.serialise())


def read_query(kind: type[StrictSerializer], request: Request) -> dict[str, Any]:
    query = kind(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    values: dict[str, Any] = query.validated_data
    return values


def _is_admin(request: Request) -> bool:
    return bool(getattr(request.user, "is_staff", False))
