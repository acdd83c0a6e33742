"""`/api/models/…`: who may read and change what, and what they are told."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from rest_framework import serializers

from accounts.models import Role, User
from accounts.tokens import issue_pair
from modelops.api import profile_views as views
from modelops.api.profile_serializers import (
    FitSerializer,
    HardwareSerializer,
    ModelProfileSerializer,
    RecommendationSerializer,
    ReloadResultSerializer,
)
from modelops.hardware import GpuProcess
from modelops.models import HardwareProfile, ModelProfile
from modelops.profiles.seed_result import Changes, Drift, InvalidEntry, SeedResult
from modelops.tests.fit_rows import make_gpu_reading, record, save_large, save_profile

pytestmark = pytest.mark.django_db

PROFILES = "/api/models/profiles"
RECOMMENDATIONS = "/api/models/hardware-recommendations"
RELOAD = "/api/models/reload"


def log_in(username: str, role: Role) -> Client:
    user = User.objects.create_user(username, f"{username}@example.com", role=role)
    return Client(headers={"Authorization": f"Bearer {issue_pair(user).access_token}"})


@pytest.fixture
def user() -> Client:
    return log_in("mina", Role.USER)


@pytest.fixture
def admin() -> Client:
    return log_in("root", Role.ADMIN)


def post(client: Client, content: Any) -> Any:
    return client.post(RELOAD, content, content_type="application/json")


def names(kind: type[serializers.Serializer[Any]]) -> set[str]:
    return set(kind().get_fields())


@pytest.mark.parametrize(("method", "path"), [("get", PROFILES), ("get", RECOMMENDATIONS), ("post", RELOAD)])
def test_strangers_are_sent_away(method: str, path: str) -> None:
    response = getattr(Client(), method)(path)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "invalid_api_key")


def test_users_may_not_reload_and_nothing_is_changed(user: Client) -> None:
    response = post(user, {})

    assert (response.status_code, response.json()["error"]["code"]) == (403, "permission_denied")
    assert not ModelProfile.objects.exists()


def test_users_read_enabled_profiles_with_their_fit_but_not_how_they_are_started(user: Client) -> None:
    save_profile("eight", environment={"NCCL_DEBUG": "INFO"}, extra_flags={"seed": 1})
    save_large("secret-plan", is_enabled=False)
    record()

    response = user.get(PROFILES)

    (profile,) = response.json()["profiles"]
    assert (profile["id"], profile["name"], profile["admin"]) == ("eight", "Eight", None)
    assert (profile["fit"]["verdict"], profile["fit"]["context"]) == ("fits", 8192)
    for hidden in ("NCCL_DEBUG", "seed", "vllm-openai", "secret-plan"):
        assert hidden not in response.content.decode()


def test_admins_read_every_profile_and_every_field(admin: Client) -> None:
    save_profile("eight", environment={"NCCL_DEBUG": "INFO"})
    save_large(is_enabled=False)
    record()

    profiles = {each["id"]: each for each in admin.get(PROFILES).json()["profiles"]}

    assert set(profiles) == {"eight", "large"}
    assert profiles["eight"]["admin"]["settings"]["environment"] == {"NCCL_DEBUG": "INFO"}
    assert profiles["large"]["fit"]["verdict"] == "does_not_fit"


def test_answers_have_the_documented_fields(admin: Client) -> None:
    save_profile("eight")
    record(make_gpu_reading(0, used_mib=9000, processes=(GpuProcess(9, 8 << 30, "trainer"),)))

    content = admin.get(PROFILES).json()
    ranked = admin.get(RECOMMENDATIONS).json()

    (profile,) = content["profiles"]
    assert set(profile) == names(ModelProfileSerializer)
    assert set(profile["fit"]) == names(FitSerializer)
    assert set(content["hardware"]) == set(ranked["hardware"]) == names(HardwareSerializer)
    assert set(ranked["recommendations"][0]) == names(RecommendationSerializer)


def test_only_admins_are_told_of_processes_on_the_machine(user: Client, admin: Client) -> None:
    record(make_gpu_reading(0, used_mib=9000, processes=(GpuProcess(9, 8 << 30, "trainer"),)))

    assert "trainer" not in user.get(PROFILES).content.decode()
    assert "trainer" in admin.get(PROFILES).json()["hardware"]["problems"][0]["message"]


def test_without_a_reading_every_verdict_is_unknown(user: Client) -> None:
    save_profile("eight")

    content = user.get(PROFILES).json()

    assert content["profiles"][0]["fit"]["verdict"] == "unknown"
    assert (content["hardware"]["gpus"], content["hardware"]["taken_at"]) == (None, None)


def test_recommendations_rank_for_the_gpus_or_for_a_hardware_profile(user: Client) -> None:
    save_profile("eight")
    save_large()
    record()
    HardwareProfile.objects.create(slug="quad", display_name="4 × A100", gpu_name="A100 80GB", gpu_count=4)

    here = user.get(RECOMMENDATIONS).json()["recommendations"]
    there = user.get(RECOMMENDATIONS, {"hardware": "quad"}).json()["recommendations"]

    assert [(each["id"], each["verdict"]) for each in here] == [("eight", "fits"), ("large", "does_not_fit")]
    assert [each["id"] for each in there] == ["large", "eight"]


@pytest.mark.parametrize(
    ("path", "query", "status", "param"),
    [
        (PROFILES, {"sort": "x"}, 400, "sort"),
        (RECOMMENDATIONS, {"gpu": "x"}, 400, "gpu"),
        (RECOMMENDATIONS, {"hardware": "none"}, 404, "hardware"),
        (RECOMMENDATIONS, {"hardware": "a\0b"}, 400, "hardware"),
        (RECOMMENDATIONS, {"hardware": "x" * 99}, 400, "hardware"),
    ],
)
def test_bad_queries_are_named(
    user: Client, path: str, query: dict[str, str], status: int, param: str
) -> None:
    response = user.get(path, query)

    assert (response.status_code, response.json()["error"]["param"]) == (status, param)


def test_profiles_take_a_constant_number_of_queries(user: Client, django_assert_num_queries: Any) -> None:
    record()
    for number in range(6):
        save_profile(f"p{number}")
    user.get(PROFILES)

    with django_assert_num_queries(4):  # the caller, the reading, the profiles, their last starts
        user.get(PROFILES)


def test_admins_reload_and_reloading_again_changes_nothing(admin: Client) -> None:
    trial = post(admin, {"dry_run": True}).json()
    assert not ModelProfile.objects.exists()
    first = post(admin, {}).json()
    second = post(admin, {}).json()

    assert (trial["dry_run"], trial["created"]) == (True, first["created"])
    assert set(first) == names(ReloadResultSerializer)
    assert len(first["created"]) == ModelProfile.objects.count() > 0
    assert (second["created"], second["updated"], second["unchanged"]) == ([], [], first["created"])


def test_reload_keeps_what_was_changed_by_hand_unless_forced(admin: Client) -> None:
    slug = post(admin, {}).json()["created"][0]
    row = ModelProfile.objects.get(slug=slug)
    row.display_name = "Mine"
    row.save()

    kept = post(admin, {}).json()
    forced = post(admin, {"force": True}).json()

    assert kept["drifted"] == [{"slug": slug, "fields": ["display_name"]}]
    assert forced["updated"] == [slug]


def test_mistakes_in_the_file_come_back_with_their_lines(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake = InvalidEntry(7, "eight", "max_model_len", "must be 16 to 20000000, not 3")
    drift = Changes(drifted=(Drift("eight", ("dtype",)),))
    monkeypatch.setattr(views, "reload_profiles", lambda **_: SeedResult(drift, invalid=(mistake,)))

    content = post(admin, {}).json()

    assert content["invalid"] == [
        {"line": 7, "slug": "eight", "field": "max_model_len", "reason": "must be 16 to 20000000, not 3"}
    ]


@pytest.mark.parametrize(
    ("content", "param"),
    [({"path": "/etc/passwd"}, "path"), ({"force": "maybe"}, "force"), ({"dry_run": []}, "dry_run")],
)
def test_reload_refuses_what_it_does_not_know(admin: Client, content: Any, param: str) -> None:
    response = post(admin, content)

    assert (response.status_code, response.json()["error"]["param"]) == (400, param)
    assert not ModelProfile.objects.exists()


def test_profiles_tell_what_their_models_can_be_asked_for(user: Client) -> None:
    save_profile("chats")
    save_profile("embeds", extra_flags={"runner": "pooling", "convert": "embed"})
    save_profile("says-too-little", extra_flags={"runner": "pooling"})

    listed = user.get(PROFILES).json()["profiles"]

    assert {each["id"]: each["tasks"] for each in listed} == {
        "chats": ["generate"],
        "embeds": ["embed", "rerank", "pool"],
        "says-too-little": None,
    }
