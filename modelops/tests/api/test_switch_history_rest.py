"""`/api/models/switches` and `/api/models/engines`: the history, page by page and in detail."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from modelops.domain.switching.states import SwitchState
from modelops.tests.callers import post
from modelops.tests.switch_rows import (
    advance,
    ask,
    begin,
    fail,
    make_ready,
    serve,
)

pytestmark = pytest.mark.django_db

STATUS = "/api/models/status"
NO_SWITCH = "0192f0a0-0000-7000-8000-000000000000"
SWITCHES = "/api/models/switches"
ENGINES = "/api/models/engines"


def test_users_see_the_kind_of_failure_but_no_names_no_logs_and_no_flags(user: Client, admin: Client) -> None:
    make_ready("first", "second")
    serve("first")
    failed = fail(ask("second"))
    path = f"{SWITCHES}/{failed.id}"

    told = "".join(user.get(each).content.decode() for each in (STATUS, SWITCHES, path, ENGINES))
    everything = "".join(admin.get(each).content.decode() for each in (STATUS, path))

    for public in ("context_too_long", "The KV cache cannot hold one request of the context asked for."):
        assert public in told
    found = ("the KV cache cannot hold it.", "Use 2048.", "ValueError: too long", "the last lines")
    for private in (*found, "kim", "--max-model-len", "gpu-box", "default-1"):
        assert private not in told
    for private in (*found, "kim (shell)", "--max-model-len", "gpu-box"):
        assert private in everything


@pytest.mark.parametrize(
    ("path", "status", "param"),
    [
        (f"{SWITCHES}?limit=0", 400, "limit"),
        (f"{SWITCHES}?limit=101", 400, "limit"),
        (f"{SWITCHES}?state=gone", 400, "state"),
        (f"{SWITCHES}?after=x", 400, "after"),
        (f"{SWITCHES}?after={NO_SWITCH}", 400, "after"),
        (f"{SWITCHES}?page=2", 400, "page"),
        (f"{STATUS}?verbose=1", 400, "verbose"),
        (f"{ENGINES}?x=1", 400, "x"),
        (f"{SWITCHES}/{NO_SWITCH}", 404, None),
        (f"{SWITCHES}/nonsense", 404, None),
    ],
)
def test_bad_reads_are_named(user: Client, path: str, status: int, param: str | None) -> None:
    answer = user.get(path)

    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


def test_cancelling_what_has_ended_or_never_was_is_refused(admin: Client) -> None:
    make_ready("first")
    ended = advance(ask("first"), SwitchState.REJECTED)

    assert post(admin, f"{SWITCHES}/{ended.id}/cancel").json()["error"]["code"] == "switch_refused"
    assert post(admin, f"{SWITCHES}/{NO_SWITCH}/cancel").status_code == 404
    assert post(admin, f"{SWITCHES}/{ended.id}/cancel", {"why": "x"}).json()["error"]["param"] == "why"


def test_history_pages_through_every_switch_once_and_filters(user: Client) -> None:
    make_ready("first", "second")
    made = [
        advance(ask(slug), SwitchState.REJECTED) for slug in ("first", "second", "first", "second", "first")
    ]

    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = user.get(SWITCHES, query).json()
        seen += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
        query["after"] = page["last_id"]

    assert seen == [str(each.id) for each in reversed(made)]
    assert len(user.get(SWITCHES, {"profile": "second"}).json()["data"]) == 2
    assert user.get(SWITCHES, {"state": "active"}).json()["data"] == []
    assert user.get(SWITCHES, {"slot": "other"}).json() == {
        "object": "list",
        "data": [],
        "first_id": None,
        "last_id": None,
        "has_more": False,
    }


def test_history_takes_as_many_queries_for_many_as_for_one(
    user: Client, django_assert_max_num_queries: Any
) -> None:
    make_ready("first")
    advance(ask("first"), SwitchState.REJECTED)
    with django_assert_max_num_queries(10) as one:
        user.get(SWITCHES)
    for _ in range(5):
        advance(ask("first"), SwitchState.REJECTED)

    with django_assert_max_num_queries(len(one)):
        assert len(user.get(SWITCHES).json()["data"]) == 6


def test_detail_tells_what_happened_and_how_long_it_took(admin: Client) -> None:
    make_ready("first")
    switch = begin(ask("first"), SwitchState.PLANNED, SwitchState.LOADING)

    detail = admin.get(f"{SWITCHES}/{switch.id}").json()

    assert [event["state"] for event in detail["events"]] == ["requested", "planned", "loading"]
    assert detail["events"][0]["message"] == "asked for through the command line"
    assert list(detail["state_seconds"]) == ["requested", "planned", "loading"]
    assert detail["is_live"] is True
