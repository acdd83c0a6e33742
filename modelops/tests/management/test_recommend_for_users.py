"""`manage.py recommend --users N --tokens C`, the same by REST and on the admin's page."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from accounts.models import Role, User
from accounts.tokens import issue_pair
from modelops.api.fit_serializers import DemandFitSerializer, FitReportSerializer
from modelops.models import HardwareProfile
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.fit_rows import record, save_large, save_profile, save_simulated

pytestmark = pytest.mark.django_db

CARD = "RTX 3090:24166"
LONG = make_config(max_position_embeddings=131072)
FIT, RECOMMENDATIONS = "/api/models/fit", "/api/models/recommendations"


def run(*arguments: str) -> tuple[int, str]:
    output = StringIO()
    try:
        call_command("recommend", *arguments, stdout=output, stderr=StringIO())
    except SystemExit as exc:
        return int(exc.code or 0), output.getvalue()
    return 0, output.getvalue()


def ask(users: int, tokens: int, *more: str) -> tuple[int, dict[str, Any]]:
    flags = ("--gpu", CARD, "--gpu", CARD, "--users", str(users), "--tokens", str(tokens), *more)
    code, output = run(*flags, "--json")
    return code, json.loads(output)


def log_in(role: Role) -> Client:
    user = User.objects.create_user(role, f"{role}@example.com", role=role)
    return Client(headers={"Authorization": f"Bearer {issue_pair(user).access_token}"})


def test_profiles_are_ranked_by_whether_they_hold_the_users() -> None:
    save_profile("eight", config=LONG, max_model_len=8192)
    save_profile("half", config=make_config(num_hidden_layers=16), max_model_len=8192)
    save_large()
    save_simulated()
    save_profile("hidden", is_enabled=False)

    code, content = ask(40, 4096)

    ranked = content["recommendations"]
    assert [(each["id"], each["holding"]) for each in ranked] == [
        ("eight", "holds"),
        ("half", "holds"),
        ("large", "lacks"),
    ]
    assert (code, content["demand"]) == (0, {"users": 40, "tokens": 4096})
    assert ranked[0]["changes"] == {"tensor_parallel_size": 2}
    assert ranked[0]["settings"] == "--tensor-parallel-size 2"
    assert ranked[0]["sure_requests"] >= 40 <= ranked[1]["sure_requests"]
    assert ranked[2]["margin"] == 0


def test_named_models_are_looked_at_alone_and_in_their_order() -> None:
    save_profile("eight", config=LONG)
    save_profile("half", config=make_config(num_hidden_layers=16))
    save_profile("hidden", is_enabled=False)

    _code, content = ask(2, 1000, "--models", "half", "maker/eight", "hidden")

    assert [each["id"] for each in content["recommendations"]] == ["half", "eight", "hidden"]


def test_exit_code_says_how_the_best_holds_it() -> None:
    save_large()
    lacks, _content = ask(8, 4096)
    save_profile("nothing", config={})

    unknown, content = ask(8, 4096, "--models", "nothing")

    assert (lacks, unknown) == (3, 4)
    assert content["recommendations"][0]["holding"] == "unknown"


def test_readable_answer_has_the_settings_and_their_price() -> None:
    save_profile("eight", config=LONG, max_model_len=8192)
    record()

    code, output = run("--users", "40", "--tokens", "4096")

    lines = output.splitlines()
    assert code == 0
    assert lines[0] == "40 users at once with 4,096 tokens each: 163,840 tokens of KV cache."
    assert lines[2].split() == ["verdict", "profile", "TP", "context", "surely", "margin", "why"]
    assert lines[3].startswith("holds it  eight")
    assert lines[-2:] == [
        "eight with --tensor-parallel-size 2",
        "  − takes a card more, which another model cannot use then",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--users", "4"], "--users and --tokens go together"),
        (["--models", "eight"], "--users and --tokens go together"),
        (["--users", "4", "--tokens", "10", "--models", "ate"], "--models: Nothing is known of 'ate'"),
        (["--for", "eight", "--users", "4"], "--for goes without --users"),
        (["--users", "0", "--tokens", "1"], "from 1 to 100,000"),
        (["--users", "²", "--tokens", "1"], "from 1 to 100,000"),
    ],
)
def test_questions_that_make_no_sense_are_refused(arguments: list[str], words: str) -> None:
    save_profile("eight")

    with pytest.raises(CommandError, match=words):
        run(*arguments)


def test_administrators_are_told_the_same_by_rest() -> None:
    save_profile("eight", config=LONG, max_model_len=8192)
    record()
    admin = log_in(Role.ADMIN)

    found = admin.get(f"{RECOMMENDATIONS}?users=40&tokens=4096&models=eight").json()
    (ranked,) = found["recommendations"]
    report = admin.get(FIT, {"profile": "eight", "aim": "users"}).json()["report"]

    assert set(ranked) == set(DemandFitSerializer().get_fields())
    assert ranked["changes"] == {"tensor_parallel_size": 2}
    assert set(FitReportSerializer().get_fields()) <= set(report)
    assert report["aim"] == "users"
    assert report["suggestions"][-1]["costs"] == ["takes a card more, which another model cannot use then"]


@pytest.mark.parametrize("path", [FIT, RECOMMENDATIONS])
def test_rest_is_for_administrators_and_names_what_is_missing(path: str) -> None:
    query: dict[str, str] = {"users": "1", "tokens": "1", "profile": "eight"}
    wanted = "profile" if path == FIT else "users"

    missing = log_in(Role.ADMIN).get(path)

    assert (Client().get(path).status_code, log_in(Role.USER).get(path, query).status_code) == (401, 403)
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, wanted)


def test_page_answers_with_buttons_that_lead_on(admin_client: Client) -> None:
    eight = save_profile("eight", config=LONG, max_model_len=8192)
    HardwareProfile.objects.create(slug="dual", display_name="Two", gpu_name="RTX 3090", gpu_count=2)
    page = f"/admin/modelops/modelprofile/{eight.pk}"

    def look(users: str) -> str:
        query = {"users": users, "tokens": "4096", "hardware": "dual"}
        return admin_client.get("/admin/modelops/modelprofile/recommend/", query).content.decode()

    changed, plain, bad = look("40"), look("4"), look("none")

    assert f'href="{page}/apply/?tensor_parallel_size=2&amp;hardware=dual"' in changed
    assert "surely holds" in changed
    assert f'href="{page}/switch/"' in plain
    assert "Enter a whole number." in bad
