"""What the admin's pages say of the end of a switch, and the buttons that they offer for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from accounts.models import AuditEvent
from modelops.admin.duration_bars import make_duration_table
from modelops.admin.outcomes import FILTERS, STATE_WORDS, SwitchOutcome, find_outcome, has_shorter_context
from modelops.desk.reading import DeskReader
from modelops.domain.engine_log.causes import Cause
from modelops.domain.engine_log.failures import describe_cause
from modelops.domain.switching.states import SwitchState
from modelops.models import ModelProfile, Slot, Switch
from modelops.switching.slots import get_slot
from modelops.switching.status import serialise_status
from modelops.tests.admin.admin_browser import LIST, page
from modelops.tests.serving.slot_rows import flip, make_engine, make_slot, make_switch
from modelops.tests.switch_rows import CAUSE, advance, ask, fail, make_ready, serve, write_log

pytestmark = pytest.mark.django_db

SWITCHES = "/admin/modelops/switch/"
SLOTS = "/admin/modelops/slot/"
CANCELLED = {"code": "cancelled", "message": "The switch was cancelled."}


def path_of(switch: Switch, call: str = "change") -> str:
    return f"{SWITCHES}{switch.pk}/{call}/"


def come_up_shorter(slug: str) -> Switch:
    """A switch that serves with 2,048 of the 8,192 tokens of its plan."""
    switch, slot = ask(slug), get_slot()
    engine = make_engine(slot, slug)
    flip(slot, engine)
    plan = {**(switch.plan or {}), "max_model_len": 8192}
    return advance(switch, SwitchState.ACTIVE, new_engine=engine, max_model_len=2048, plan=plan)


def make_one_of_each() -> dict[SwitchOutcome, set[Switch]]:
    """Switches of every outcome, in slots of their own where they are live."""
    make_ready("first", "second")
    reduced = come_up_shorter("first")
    return {
        SwitchOutcome.REDUCED: {reduced},
        SwitchOutcome.ACTIVE: {advance(ask("second"), SwitchState.ACTIVE)},
        SwitchOutcome.REFUSED: {advance(ask("second"), SwitchState.REJECTED)},
        SwitchOutcome.FAILED: {
            fail(ask("second")),
            advance(ask("second"), SwitchState.DEGRADED, root_cause=CAUSE),
        },
        SwitchOutcome.CANCELLED: {
            advance(ask("second"), SwitchState.CANCELLED, cancelled_by="mina"),
            advance(ask("second"), SwitchState.ROLLED_BACK, root_cause=CANCELLED, cancelled_by="mina"),
        },
        SwitchOutcome.LIVE: {ask("second")},
    }


def test_every_state_has_words() -> None:
    assert set(STATE_WORDS) == set(SwitchState)


def test_filter_finds_what_has_the_outcome_and_nothing_else() -> None:
    made = make_one_of_each()

    found = {outcome: set(Switch.objects.filter(FILTERS[outcome])) for outcome in SwitchOutcome}
    shown = {
        outcome: {
            each
            for each in Switch.objects.all()
            if find_outcome(each, is_reduced=has_shorter_context(each)) is outcome
        }
        for outcome in SwitchOutcome
    }

    # What came up shorter is active as well: the filter of the active ones has both.
    assert found == {**made, SwitchOutcome.ACTIVE: made[SwitchOutcome.ACTIVE] | made[SwitchOutcome.REDUCED]}
    assert shown == made


@pytest.mark.parametrize("outcome", SwitchOutcome)
def test_list_can_be_filtered_by_outcome(web: Client, outcome: SwitchOutcome) -> None:
    make_one_of_each()

    html = page(web, SWITCHES, outcome=outcome.value)

    assert html.count('class="field-outcome"') == Switch.objects.filter(FILTERS[outcome]).count()


def test_cancelled_switch_is_no_failure_and_shows_no_cause(web: Client) -> None:
    make_ready("first")
    switch = advance(ask("first"), SwitchState.ROLLED_BACK, root_cause=CANCELLED, cancelled_by="mina")

    html, listed = page(web, path_of(switch)), page(web, SWITCHES)

    assert "mina cancelled the switch to first; what served before serves again." in html
    assert "<h2>Cause</h2>" not in html
    assert "is-error" not in html.partition('id="switch-page"')[2]
    assert '<span class="badge is-quiet">cancelled</span>' in listed
    assert "The switch was cancelled." not in listed


def test_headline_says_that_the_context_is_shorter_and_one_click_keeps_it(web: Client) -> None:
    (first,) = make_ready("first")
    before = first.max_model_len
    switch = come_up_shorter("first")

    html = page(web, path_of(switch))
    after = web.post(path_of(switch, "keep-context"), follow=True).content.decode()

    first.refresh_from_db()
    assert "first is active with a shorter context: 2,048 tokens instead of 8,192." in html
    assert 'form="switch-keep"' in html
    assert first.max_model_len == 2048
    assert "The profile first asks for 2,048 tokens of context from now on." in after
    assert 'form="switch-keep"' not in after
    event = AuditEvent.objects.get(action="modelprofile_changed")
    assert (event.changes, event.actor_name) == ({"max_model_len": [before, 2048]}, "root")


def test_context_of_an_engine_that_serves_no_more_cannot_be_kept(web: Client) -> None:
    make_ready("first", "second")
    switch = come_up_shorter("first")
    serve("second")

    html = page(web, path_of(switch))
    refused = web.post(path_of(switch, "keep-context"), follow=True).content.decode()

    assert "with a shorter context" in html
    assert 'form="switch-keep"' not in html
    assert "there is no context to keep" in refused


def test_context_is_kept_by_post_alone(web: Client) -> None:
    make_ready("first")
    switch = come_up_shorter("first")

    assert web.get(path_of(switch, "keep-context")).status_code == 405
    assert ModelProfile.objects.get().max_model_len != 2048


def test_retry_asks_once_more_and_keeps_its_context_unless_that_is_unticked(web: Client) -> None:
    (first,) = make_ready("first")
    before = first.max_model_len
    confirm = f"{LIST}{first.pk}/switch/"

    offered = page(web, confirm, max_model_len=2048, keep="yes")
    web.post(confirm, {"max_model_len": "2048"})
    first.refresh_from_db()
    unticked = first.max_model_len
    Switch.objects.update(state=SwitchState.CANCELLED, ended_at=first.updated_at)
    web.post(confirm, {"max_model_len": "2048", "keep_context": "on"})

    first.refresh_from_db()
    assert "Keep max_model_len 2048 in the profile" in offered
    assert 'name="keep_context" id="id_keep_context" checked' in offered
    assert unticked == before
    assert first.max_model_len == 2048


def test_slots_show_the_last_failure_with_its_page_and_its_buttons(web: Client) -> None:
    (first,) = make_ready("first")
    switch = fail(ask("first"))

    listed = page(web, SLOTS)
    shown = page(web, f"{SLOTS}{Slot.objects.get().pk}/change/")

    for html in (listed, shown):
        assert "The KV cache cannot hold it." in html
        assert f'href="{path_of(switch)}">Why the switch to first failed' in html
        assert f"{LIST}{first.pk}/switch/?max_model_len=2048&amp;keep=yes" in html


def fail_slots(numbers: range) -> None:
    """Slots that serve nothing, as somebody else's process holds their cards."""
    cause = describe_cause(Cause.GPU_OCCUPIED).serialise()
    for number in numbers:
        slot = make_slot(f"slot-{number}", desired_profile="first")
        ended = {"ended_at": timezone.now(), "root_cause": cause}
        make_switch(slot, make_engine(slot, "first"), "first", SwitchState.DEGRADED, **ended)


def read_list(web: Client) -> int:
    return page(web, SLOTS).count(">Free the card</a>")


def read_status(_web: Client) -> int:
    slots = serialise_status(for_admin=True)["slots"]
    return sum(bool(slot["last_error"]) and len(slot["last_error"]["remedies"]) > 1 for slot in slots)


def read_desk(_web: Client) -> int:
    return DeskReader().read().select("en")["alarms"].count(b"Free the card")


@pytest.mark.parametrize("read", [read_list, read_status, read_desk])
def test_failures_of_many_slots_take_as_many_queries_as_of_few(
    web: Client, read: Callable[[Client], int]
) -> None:
    make_ready("first")
    found, counts = [], []
    for numbers in (range(2), range(2, 8)):
        fail_slots(numbers)
        read(web)
        with CaptureQueriesContext(connection) as queries:
            found.append(read(web))
        counts.append(len(queries))

    assert found == [2, 8]
    assert counts[0] == counts[1]


def test_card_that_has_too_little_memory_has_its_remedies_on_the_page_of_the_switch(web: Client) -> None:
    (first,) = make_ready("first")
    cause = describe_cause(Cause.GPU_OUT_OF_MEMORY)
    switch = advance(ask("first"), SwitchState.ROLLED_BACK, root_cause=cause.serialise())

    html = page(web, path_of(switch))

    assert f'href="{LIST}{first.pk}/change/#id_max_num_seqs">Edit the profile</a>' in html
    assert f'href="{LIST}fit/?profile=first">See what would fit</a>' in html
    assert 'href="/admin/modelops/hardwaresample/">Free the card</a>' in html


def test_bars_are_drawn_to_the_longest_time_with_the_usual_one_marked(web: Client) -> None:
    make_ready("first")
    for loading in (10.0, 20.0, 30.0):
        earlier = advance(ask("first"), SwitchState.ACTIVE)
        Switch.objects.filter(pk=earlier.pk).update(state_seconds={"loading": loading})
    switch = advance(ask("first"), SwitchState.ACTIVE)
    Switch.objects.filter(pk=switch.pk).update(state_seconds={"planned": 10.0, "loading": 50.0})
    switch.refresh_from_db()

    with translation.override("ko"):
        table = make_duration_table(switch, switch.state_since)
    html = page(web, path_of(switch))

    rows = {row.width: row for row in table.rows}
    assert table.compared == 3
    assert (rows["20.00"].mark, rows["20.00"].took_much_longer) == ("", False)
    assert (rows["100.00"].mark, rows["100.00"].took_much_longer) == ("39.68", True)
    assert "much longer" in html
    assert "median of the last 3 switches" in html
    assert " style=" not in html.partition('id="switch-page"')[2]


def test_log_is_searched_and_downloaded(web: Client) -> None:
    make_ready("first")
    engine = serve("first")
    write_log(engine, "one <b>", "an ERROR here", *(f"line {number}" for number in range(9)))
    switch = advance(ask("first", max_model_len=1024), SwitchState.LOADING, new_engine=engine)

    found = web.get(path_of(switch, "progress"), {"q": "error"}).json()["parts"]["log"]
    plain = page(web, path_of(switch), q="error")
    answer: Any = web.get(path_of(switch, "log"))

    assert "an <mark>ERROR</mark> here" in found
    assert "one &lt;b&gt;" in found
    assert "line 5" not in found
    assert "1 line has “error”." in plain
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="switch-first-')
    assert b"".join(answer.streaming_content).startswith(b"one <b>\nan ERROR here\nline 0\n")


def test_page_says_states_and_plan_in_the_readers_language(web: Client) -> None:
    make_ready("first")
    switch = fail(ask("first"))

    html = web.get(path_of(switch), headers={"Accept-Language": "ko"}).content.decode()

    for words in ("실패", "다시 시도하고 프로필에 저장", "실패, 되돌림", "평소"):
        assert words in html
    own = html.partition('id="switch-page"')[2]
    for english in (">rolled back<", ">loading<", "start a new one", ">fits", "What can be done", "Usually"):
        assert english not in own


def test_what_served_before_has_buttons_of_its_own_where_going_back_failed(web: Client) -> None:
    first, second = make_ready("first", "second")
    serve("first")
    killed = {"code": "killed", "message": "It was ended by SIGKILL."}
    switch = advance(ask("second"), SwitchState.DEGRADED, root_cause=CAUSE, restore_cause=killed)

    new, _heading, old = page(web, path_of(switch)).partition("Why going back failed as well")

    assert f"{LIST}{second.pk}/switch/?max_model_len=2048" in new
    assert f'href="{LIST}{first.pk}/switch/">Try again' in old


def test_list_has_its_actions(web: Client) -> None:
    make_ready("first")
    advance(ask("first"), SwitchState.ACTIVE)

    assert '<option value="cancel_selected">' in page(web, SWITCHES)


def test_log_is_for_staff_alone(client: Client) -> None:
    make_ready("first")
    switch = ask("first")

    for call in ("log", "progress", "change"):
        assert client.get(path_of(switch, call)).status_code == 302
