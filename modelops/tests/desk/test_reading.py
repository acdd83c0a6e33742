"""What the desk shows, and how many queries it takes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext, override_settings
from django.urls import clear_script_prefix

from modelops.desk.reading import DeskReader, read_desk
from modelops.domain.fit.specs import GIB
from modelops.domain.switching.states import SwitchState
from modelops.hardware import GpuProcess, GpuReading
from modelops.hardware.problems import GPU_IS_LOST, describe_gpu_failure
from modelops.models import EngineLoad, Slot, Switch
from modelops.switching.slots import get_slot
from modelops.tests.fit_rows import make_gpu_reading, record, save_large, save_profile, save_simulated
from modelops.tests.switch_rows import (
    CAUSE,
    FACTS,
    advance,
    announce_switcher,
    ask,
    begin,
    fail,
    make_ready,
    serve,
)

pytestmark = pytest.mark.django_db
MOST_QUERIES = 12


def read(reader: DeskReader | None = None, language: str = "en") -> dict[str, Any]:
    parts = (reader or DeskReader()).read().select(language)
    return {name: json.loads(content) for name, content in parts.items()}


def alarms(language: str = "en") -> dict[str, dict[str, Any]]:
    return {alarm["code"]: alarm for alarm in read(language=language)["alarms"]}


def test_what_serves_is_named_with_its_engine() -> None:
    make_ready("first")
    engine = serve("first")

    (slot,) = read()["serving"]["slots"]

    assert (slot["state"], slot["profile"]) == ("ready", "first")
    assert slot["engine"]["name"] == engine.name
    assert slot["engine"]["arguments"] == engine.arguments
    assert str(engine.pk) in slot["engine"]["url"]


@override_settings(BASE_PATH="/gateway")
def test_links_begin_with_the_base_path_on_a_thread_without_a_request() -> None:
    make_ready("first")
    serve("first")

    try:
        (snapshot,) = read_desk([None])
    finally:
        clear_script_prefix()

    parts = {name: json.loads(content) for name, content in snapshot.select("en").items()}
    (slot,) = parts["serving"]["slots"]
    (profile,) = parts["profiles"]
    for url in (slot["engine"]["url"], profile["url"], profile["switch_url"], profile["fit_url"]):
        assert url.startswith("/gateway/admin/modelops/")


def test_a_switch_under_way_tells_its_steps_and_that_it_can_be_cancelled() -> None:
    make_ready("first", "second")
    serve("first")
    begin(ask("second"), SwitchState.PLANNED, SwitchState.DRAINING)

    (live,) = read()["live"]

    assert (live["from_profile"], live["to_profile"], live["state"]) == ("first", "second", "draining")
    assert live["can_cancel"] and live["is_harmless"]
    assert [step["state"] for step in live["steps"]][:3] == ["requested", "planned", "draining"]
    assert [step["state"] for step in live["steps"] if step["is_ahead"]][-1] == "verifying"


def test_a_failed_switch_leads_to_its_cause_and_a_cancelled_one_is_no_failure() -> None:
    make_ready("first", "second", "third")
    serve("first")
    failed = fail(ask("second"))
    advance(ask("third"), SwitchState.CANCELLED)

    newest, older = read()["recent"]

    assert (newest["is_cancelled"], newest["is_failed"], newest["cause"]) == (True, False, None)
    assert older["is_failed"] and older["cause"]["message"] == "The KV cache cannot hold it."
    assert str(failed.pk) in older["url"]


def test_load_is_the_newest_sample_of_each_slot() -> None:
    make_ready("first")
    slot = serve("first").slot
    for running in (1, 5):
        EngineLoad.objects.create(slot=slot, running=running, waiting=0)

    assert read()["load"]["default"]["running"] == 5


def test_profiles_have_a_verdict_for_the_gpus_that_were_read() -> None:
    announce_switcher()
    record()
    save_profile("eight")
    save_large("large")

    verdicts = {card["slug"]: card["verdict"] for card in read()["profiles"]}

    assert verdicts == {"eight": "fits", "large": "does_not_fit"}


def test_an_edited_profile_is_judged_anew_and_a_disabled_one_is_gone() -> None:
    make_ready("first", "second")
    reader = DeskReader()
    read(reader)
    profile = save_simulated("third")
    profile.display_name = "Third of all"
    profile.save()

    names = {card["slug"]: card["name"] for card in read(reader)["profiles"]}
    profile.is_enabled = False
    profile.save()

    assert names["third"] == "Third of all"
    assert "third" not in {card["slug"] for card in read(reader)["profiles"]}


def test_reading_takes_a_dozen_queries_at_most_however_much_there_is() -> None:
    slugs = [f"profile-{number}" for number in range(20)]
    make_ready(*slugs)
    record()
    serve(slugs[0])
    for slug in slugs[1:8]:
        fail(ask(slug))
    begin(ask(slugs[9]), SwitchState.PLANNED)
    reader = DeskReader()
    read(reader)

    with CaptureQueriesContext(connection) as queries:
        read(reader)

    assert len(queries) <= MOST_QUERIES, [query["sql"][:80] for query in queries]


def test_front_page_takes_a_dozen_queries_at_most(web: Client) -> None:
    make_ready("first")
    web.get("/admin/")

    with CaptureQueriesContext(connection) as queries:
        page = web.get("/admin/")

    assert page.status_code == 200
    assert b'id="desk"' in page.content
    assert len(queries) <= MOST_QUERIES


def test_quiet_gateway_has_no_alarm() -> None:
    make_ready("first")
    record()
    serve("first")

    assert alarms() == {}


def test_lost_card_is_an_alarm_in_the_readers_language() -> None:
    announce_switcher()
    lost = GpuReading(index=1, problem=describe_gpu_failure(1, GPU_IS_LOST, "lost"))
    record(make_gpu_reading(0), lost)

    assert alarms()["gpu_lost"]["message"].startswith("GPU 1 is lost")
    assert alarms()["gpu_lost"]["level"] == "bad"
    korean = alarms("ko")["gpu_lost"]["message"]
    assert korean.startswith("GPU 1") and "lost" not in korean


def test_foreign_process_is_named_in_its_alarm() -> None:
    announce_switcher()
    stranger = GpuProcess(4711, 6 * GIB, "blender")
    record(make_gpu_reading(0, used_mib=7000, processes=(stranger,)), make_gpu_reading(1))

    taken = alarms()["memory_taken"]

    assert "blender (pid 4711)" in taken["message"]
    assert taken["message"].startswith("GPU 0: ")


def test_hot_card_is_an_alarm() -> None:
    announce_switcher()
    record(replace(make_gpu_reading(0), temperature_c=91), make_gpu_reading(1))

    assert alarms()["gpu_hot"]["message"] == "GPU 0 is hot: 91 °C."


def test_silent_switcher_is_an_alarm_and_one_that_never_was_is_none() -> None:
    save_simulated("first")
    assert "switcher_silent" not in alarms()

    announce_switcher(age_s=120)

    assert "gpu-box" in alarms()["switcher_silent"]["message"]


def test_degraded_slot_is_an_alarm_with_the_way_to_its_switch() -> None:
    make_ready("first", "second")
    serve("first")
    failed = begin(ask("second"), SwitchState.PLANNED, SwitchState.LOADING)
    advance(failed, SwitchState.DEGRADED, root_cause=CAUSE)
    Slot.objects.update(active_engine=None, desired_profile="second", problem=CAUSE)

    degraded = alarms()["degraded"]

    assert "The KV cache cannot hold it." in degraded["message"]
    assert degraded["advice"] == CAUSE["advice"]
    assert (degraded["target"], degraded["switch"]) == ("switch", str(failed.pk))
    retry = degraded["remedies"][0]
    assert retry["title"] == "Retry with max_model_len 2,048 and keep it"
    assert "max_model_len=2048" in retry["url"]


def test_engine_that_was_started_again_is_an_alarm() -> None:
    make_ready("first")
    slot = get_slot()
    restart = Switch.objects.create(
        slot=slot,
        to_profile="first",
        via=Switch.Via.SYSTEM,
        reason="again: it was killed",
        state=SwitchState.PLANNED,
        drain_timeout_s=1,
        drain_policy="cut",
    )

    restarted = alarms()["engine_restarted"]

    assert "first" in restarted["message"]
    assert restarted["switch"] == str(restart.pk)


def test_nearly_full_disk_is_an_alarm() -> None:
    announce_switcher(facts=FACTS | {"docker": {"free_bytes": 3 * GIB}})

    assert "3.0 GiB are free" in alarms()["disk_low"]["message"]
