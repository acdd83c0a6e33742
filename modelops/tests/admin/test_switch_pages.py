"""The admin's page of a switch, and what the lists of switches, engines and slots show."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from accounts.models import Role, User
from modelops.admin.duration_bars import make_duration_table
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, ModelProfile, Slot, Switch
from modelops.tests.admin.admin_browser import LIST, page
from modelops.tests.switch_rows import (
    CAUSE,
    advance,
    ask,
    begin,
    fail,
    make_ready,
    serve,
    write_log,
)

pytestmark = pytest.mark.django_db

SWITCHES = "/admin/modelops/switch/"
ENGINES = "/admin/modelops/engine/"
SLOTS = "/admin/modelops/slot/"
SCRIPT = "<script>alert(1)</script>"


def confirm_path(profile: ModelProfile) -> str:
    return f"{LIST}{profile.pk}/switch/"


def switch_path(switch: Switch, call: str = "change") -> str:
    return f"{SWITCHES}{switch.pk}/{call}/"


def test_page_of_a_switch_follows_it_through_parts_that_a_script_fetches(web: Client) -> None:
    make_ready("first", "second")
    serve("first")
    switch = begin(ask("second"), SwitchState.PLANNED, SwitchState.DRAINING)

    html = page(web, switch_path(switch))
    draining = web.get(switch_path(switch, "progress")).json()
    advance(switch, SwitchState.LOADING, phase="weights", percent=43, detail="shard 2 of 4")
    loading = web.get(switch_path(switch, "progress")).json()
    advance(switch, SwitchState.ACTIVE)
    over = web.get(switch_path(switch, "progress")).json()

    assert 'data-final="no"' in html
    assert '<noscript><meta http-equiv="refresh"' in html
    assert (draining["is_final"], draining["can_cancel"]) == (False, True)
    for words in (">Loading</span>", ">weights<"):
        assert words in loading["parts"]["state"]
    for words in ('value="43"', "43 %", "shard 2 of 4"):
        assert words in loading["parts"]["now"]
    assert 'aria-current="step"' in loading["parts"]["steps"].partition('scope="row">loading')[0][-60:]
    assert (over["is_final"], over["can_cancel"]) == (True, False)
    assert "<progress" not in over["parts"]["now"]
    assert '<noscript><meta http-equiv="refresh"' not in page(web, switch_path(switch))


def test_pages_have_no_script_and_no_handler_of_their_own(web: Client) -> None:
    make_ready("first")
    switch = ask("first")

    for path in (switch_path(switch), confirm_path(ModelProfile.objects.get())):
        html = page(web, path)
        own = html.partition('id="content-main"')[2].partition('id="footer"')[0]
        assert "<script" not in own
        assert " style=" not in own
        assert " onclick" not in own
    assert "pages/js/desk/switch.js" in page(web, switch_path(switch))
    assert finders.find("pages/js/desk/switch.js")


def test_cancel_button_asks_for_the_end_and_goes_away(web: Client) -> None:
    make_ready("first")
    switch = begin(ask("first"), SwitchState.PLANNED)

    answer = web.post(switch_path(switch, "cancel"), follow=True)

    switch.refresh_from_db()
    html = answer.content.decode()
    assert switch.cancelled_by == "root"
    assert "root asked for it to end." in html
    assert web.get(switch_path(switch, "progress")).json()["can_cancel"] is False
    assert web.get(switch_path(switch, "cancel")).status_code == 405


def test_cancel_without_csrf_token_changes_nothing() -> None:
    make_ready("first")
    switch = begin(ask("first"), SwitchState.PLANNED)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.create_user("root", "root@example.com", role=Role.ADMIN))

    assert strict.post(switch_path(switch, "cancel")).status_code == 403
    switch.refresh_from_db()
    assert switch.cancel_requested_at is None


def test_list_cancels_what_is_ticked_and_says_what_had_ended(web: Client) -> None:
    make_ready("first", "second")
    ended = advance(ask("first"), SwitchState.REJECTED, root_cause=CAUSE)
    live = begin(ask("second"), SwitchState.PLANNED)
    data = {"action": "cancel_selected", "_selected_action": [str(ended.pk), str(live.pk)]}

    html = web.post(SWITCHES, data, follow=True).content.decode()

    live.refresh_from_db()
    assert live.cancelled_by == "root"
    assert "has ended already" in html
    assert "the KV cache cannot hold it." in html
    assert "kim (shell)" in html


def test_history_takes_as_many_queries_for_many_as_for_one(
    web: Client, django_assert_max_num_queries: Any
) -> None:
    make_ready("first")
    advance(ask("first"), SwitchState.REJECTED)
    with django_assert_max_num_queries(12) as one:
        page(web, SWITCHES)
    for _ in range(5):
        fail(ask("first"))
        advance(ask("first"), SwitchState.CANCELLED, cancelled_by="mina")

    with django_assert_max_num_queries(len(one)):
        page(web, SWITCHES)


def test_failure_shows_cause_log_and_another_try_with_what_would_fit(web: Client) -> None:
    (first,) = make_ready("first")
    switch = begin(ask("first"), SwitchState.PLANNED, SwitchState.LOADING)
    advance(switch, SwitchState.DEGRADED, root_cause=CAUSE, restore_cause=CAUSE, log_tail="the last lines")

    html = page(web, switch_path(switch))
    retry = f"{confirm_path(first)}?max_model_len=2048"
    again = page(web, confirm_path(first), max_model_len=2048)
    web.post(confirm_path(first), {"max_model_len": "2048"})

    for words in ("The KV cache cannot hold it.", "Use 2048.", "ValueError: too long", "the last lines"):
        assert words in html
    assert "Why going back failed as well" in html
    assert f'href="{retry}&amp;keep=yes">Retry with max_model_len 2,048 and keep it</a>' in html
    assert f'href="/admin/modelops/modelprofile/{first.pk}/change/#id_max_model_len">Edit the profile' in html
    assert 'href="/admin/modelops/modelprofile/fit/?profile=first">See what would fit' in html
    assert "--max-model-len 2048" in again
    assert Switch.objects.live().get().max_model_len == 2048


def test_log_of_the_starting_engine_is_shown_while_it_starts(web: Client) -> None:
    make_ready("first")
    engine = serve("first")
    write_log(engine, "loading weights", "43 %")
    switch = ask("first", max_model_len=1024)
    advance(switch, SwitchState.LOADING, new_engine=engine)

    assert "loading weights\n43 %" in web.get(switch_path(switch, "progress")).json()["parts"]["log"]


def test_timeline_has_what_was_and_what_is_usually_ahead() -> None:
    make_ready("first")
    switch = begin(ask("first"), SwitchState.PLANNED, SwitchState.LOADING)
    running = [(row.name, row.progress) for row in make_duration_table(switch, switch.state_since).rows]
    begin(switch, SwitchState.ROLLING_BACK, SwitchState.ROLLED_BACK)
    over = [(row.name, row.progress) for row in make_duration_table(switch, switch.state_since).rows]

    assert running[:2] == [("requested", "done"), ("planned", "done")]
    assert running[-2:] == [("loading", "current"), ("verifying", "ahead")]
    assert over == [(name, "done") for name in ("requested", "planned", "loading", "rolling back")]


def test_engines_show_estimate_beside_actual_and_their_log(web: Client) -> None:
    make_ready("first")
    engine = serve("first")
    estimate = {"weights_bytes": 15 << 30, "kv_cache_bytes": 4 << 30, "kv_cache_tokens": 32000}
    actual = {"weights_bytes": 16 << 30, "available_kv_bytes": 3 << 30, "kv_cache_tokens": 24000}
    spec = engine.spec | {"engine": "vllm"}
    Engine.objects.filter(pk=engine.pk).update(estimate=estimate, actual=actual, spec=spec)
    write_log(engine, "ready")

    listed, shown = page(web, ENGINES), page(web, f"{ENGINES}{engine.pk}/change/")

    for words in ("weights: 15.00 GiB / 16.00 GiB", "KV cache: 4.00 GiB / 3.00 GiB", "32,000 / 24,000"):
        assert words in listed
    assert '<th scope="row">KV cache</th><td>4.00 GiB</td><td>3.00 GiB</td>' in shown
    assert '<pre class="log engine-log">ready</pre>' in shown


def test_sizes_of_a_simulated_engine_are_not_listed_for_they_are_made_up(web: Client) -> None:
    make_ready("first")
    engine = serve("first")
    Engine.objects.filter(pk=engine.pk).update(actual={"available_kv_bytes": 3 << 30})

    listed = page(web, ENGINES)

    assert "simulated: it uses no GPU" in listed
    assert "3.00 GiB" not in listed


def test_slots_show_what_they_serve_and_their_trouble(web: Client) -> None:
    make_ready("first")
    serve("first")
    Slot.objects.create(slug="left", problem=CAUSE)

    html = page(web, SLOTS)

    assert '<span class="badge is-good">ready</span>' in html
    assert '<span class="badge is-bad">degraded</span>' in html
    assert "The KV cache cannot hold it." in html
    assert "degraded" in page(web, f"{SLOTS}{Slot.objects.get(slug='left').pk}/change/")


def test_nothing_that_logs_or_people_say_becomes_markup(web: Client) -> None:
    make_ready("first", "second")
    engine = serve("first")
    write_log(engine, SCRIPT)
    Slot.objects.update(problem={"message": SCRIPT})
    switch = ask("second", reason=SCRIPT)
    cause = {"code": SCRIPT, "message": SCRIPT, "advice": SCRIPT, "evidence": SCRIPT}
    advance(switch, SwitchState.LOADING, SCRIPT, detail=SCRIPT, phase="<b>", new_engine=engine)
    live = [switch_path(switch), switch_path(switch, "progress"), SWITCHES]

    for path in live:
        assert SCRIPT not in web.get(path).content.decode()
    advance(switch, SwitchState.DEGRADED, SCRIPT, root_cause=cause, restore_cause=cause, log_tail=SCRIPT)
    for path in (*live, ENGINES, SLOTS, f"{ENGINES}{engine.pk}/change/"):
        assert SCRIPT not in web.get(path).content.decode()
    assert "&lt;script&gt;alert(1)" in page(web, switch_path(switch))
