"""What the engine room says, in the language of whoever reads it; the database holds it in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils.translation import gettext, override

from gateway.wording import FilledText, fill_text, say
from modelops.domain.engine_log.causes import Cause
from modelops.domain.engine_log.failures import PHASE_WORDS, describe_cause, describe_for_everybody
from modelops.domain.fit.report import LimitingTerm, Verdict
from modelops.domain.fit.report_text import LIMIT_WORDS, VERDICT_WORDS
from modelops.domain.switching.names import PHASES, POLICIES, STATES
from modelops.domain.switching.request import SwitchRequest
from modelops.domain.switching.states import DrainPolicy, SwitchState
from modelops.hardware.problems import describe_gpu_failure, describe_machine_failure, describe_no_gpu
from modelops.models import Switch, SwitchEvent
from modelops.switching.cancelling import cancel_switch
from modelops.switching.plan_text import KIND_WORDS, describe_plan
from modelops.switching.requests import ASKED_THROUGH, preview_switch
from modelops.switching.status import serialise_status
from modelops.tests.switch_rows import CAUSE, SHELL, advance, ask, make_ready

HANGUL = re.compile(r"[가-힣]")
ENGLISH_SENTENCE = re.compile(r"\b(?:the|is|are|was|and|of)\b", re.IGNORECASE)
TOO_LONG = describe_cause(Cause.CONTEXT_TOO_LONG, retry_max_model_len=2048)
TOO_LONG_IN_KOREAN = "요청한 컨텍스트 길이의 요청 하나가 KV 캐시에 들어가지 않습니다."


@pytest.fixture(autouse=True)
def english_again() -> Iterator[None]:
    """A request leaves its language to the thread, which tests share."""
    with override("en"):
        yield


def in_korean(text: str) -> str:
    with override("ko"):
        return say(text, gettext)


def read(client: Client, path: str, language: str) -> Any:
    return client.get(path, headers={"Accept-Language": language}).json()


def assert_korean(text: str) -> None:
    said = in_korean(text)
    assert HANGUL.search(said), said
    assert not ENGLISH_SENTENCE.search(said), said


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_and_its_advice_are_korean(cause: Cause) -> None:
    described = describe_cause(cause)

    assert_korean(described.message)
    assert bool(described.advice) is (cause is not Cause.RUNTIME_ERROR)
    if described.advice:
        assert_korean(described.advice)
    assert_korean(describe_for_everybody(described).message)


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_is_korean_with_all_that_can_be_known_of_it(cause: Cause) -> None:
    described = describe_cause(
        cause,
        error="OSError",
        seconds=90.0,
        phase="weights",
        processes=["python"],
        signal="SIGKILL",
        image="v",
    )

    assert_korean(described.message)


TABLES: dict[str, tuple[Any, Any]] = {
    "states": (STATES, SwitchState),
    "policies": (POLICIES, DrainPolicy),
    "limits": (LIMIT_WORDS, LimitingTerm),
    "verdicts": (VERDICT_WORDS, Verdict),
    "phases": (PHASES, PHASES),
    "phases of causes": (PHASE_WORDS, PHASE_WORDS),
    "kinds of plans": (KIND_WORDS, KIND_WORDS),
    "ways in": (ASKED_THROUGH, Switch.Via),
}


@pytest.mark.parametrize("name", TABLES)
def test_every_name_of_a_table_is_korean(name: str) -> None:
    table, members = TABLES[name]

    assert set(table) == set(members)
    for text in table.values():
        assert_korean(text if isinstance(text, FilledText) else fill_text(text, {}))


@pytest.mark.parametrize("code", [4, 9, 12, 13, 18, 999])
def test_every_problem_of_the_machine_is_korean(code: int) -> None:
    problem = describe_machine_failure(code, "Unknown Error")

    assert_korean(problem.message)
    assert_korean(problem.advice)


@pytest.mark.parametrize("code", [4, 8, 15, 16, 28, 999])
def test_every_problem_of_a_gpu_is_korean_and_names_it(code: int) -> None:
    problem = describe_gpu_failure(1, code, "Unknown Error")

    assert "1번" in in_korean(problem.message)
    assert_korean(problem.advice)
    assert_korean(describe_no_gpu().advice)


@pytest.mark.django_db
def test_cause_of_a_failed_switch_is_told_in_the_language_of_the_caller(admin: Client) -> None:
    make_ready("first")
    switch = advance(ask("first"), SwitchState.ROLLED_BACK, root_cause=TOO_LONG.serialise())

    path = f"/api/models/switches/{switch.pk}"
    english = read(admin, path, "en")["root_cause"]
    korean = read(admin, path, "ko")["root_cause"]

    assert english["message"] == "The KV cache cannot hold one request of the context asked for."
    assert korean["message"] == TOO_LONG_IN_KOREAN
    assert HANGUL.search(korean["advice"])
    assert (korean["code"], korean["retry_max_model_len"]) == ("context_too_long", 2048)


@pytest.mark.django_db
def test_database_holds_the_english_text_for_whoever_reads_it_without_us() -> None:
    make_ready("first")
    switch = advance(ask("first"), SwitchState.ROLLED_BACK, root_cause=TOO_LONG.serialise())

    with override("ko"):
        cancelled = Switch.objects.get(pk=switch.pk)
        cancelled.save()
        with connection.cursor() as cursor:
            cursor.execute("SELECT root_cause FROM modelops_switch")
            stored = str(cursor.fetchone()[0])

    assert "The KV cache cannot hold one request" in stored
    assert not HANGUL.search(stored)


@pytest.mark.django_db
def test_cause_that_an_older_version_stored_stays_english(admin: Client) -> None:
    make_ready("first")
    switch = advance(ask("first"), SwitchState.ROLLED_BACK, root_cause=CAUSE)

    korean = read(admin, f"/api/models/switches/{switch.pk}", "ko")

    assert korean["root_cause"]["message"] == CAUSE["message"]


@pytest.mark.django_db
def test_refusal_carries_its_plan_in_the_language_of_the_caller(admin: Client) -> None:
    make_ready("first")
    Switch.objects.all().delete()
    body = {"profile_id": "first", "dry_run": True}

    plan = admin.post(
        "/api/models/switch", body, content_type="application/json", headers={"Accept-Language": "ko"}
    ).json()["plan"]

    assert plan["fit"]["why"] == "GPU가 필요 없습니다"
    assert plan["kind"] == "start"


@pytest.mark.django_db
def test_events_keep_what_they_say_in_every_language(admin: Client) -> None:
    make_ready("first")
    switch = ask("first")
    cancel_switch(switch.pk, SHELL)

    events = read(admin, f"/api/models/switches/{switch.pk}", "ko")["events"]

    assert [event["message"] for event in events] == [
        "명령줄에서 요청됨",
        "시작하기 전에 취소됨(kim (shell))",
    ]
    assert SwitchEvent.objects.filter(message="asked for through the command line").exists()


@pytest.mark.django_db
def test_status_is_told_in_the_active_language() -> None:
    make_ready("first")
    advance(ask("first"), SwitchState.DEGRADED, root_cause=TOO_LONG.serialise())

    error = serialise_status(for_admin=True)["last_error"]

    assert in_korean(error["message"]) == TOO_LONG_IN_KOREAN


@pytest.mark.django_db
def test_plan_is_described_in_the_active_language() -> None:
    make_ready("first")

    with override("ko"):
        lines = list(describe_plan(preview_switch(SwitchRequest("first"))))

    assert lines[0] == "없음 → first: 엔진을 시작합니다"
    assert lines[-1] == "계획이 승인되었습니다."
    assert any("적합성" in line and "적합: GPU가 필요 없습니다" in line for line in lines)
