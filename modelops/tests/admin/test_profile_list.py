"""The list of profiles: what is served, the verdicts, and the button of each row."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from modelops.serving.external_engine import ExternalEngine
from modelops.switching import slot_status
from modelops.tests.admin.admin_browser import LIST, cells, page
from modelops.tests.domain.fit_examples import make_config
from modelops.tests.fit_rows import record, save_profile, save_simulated
from modelops.tests.switch_rows import announce_switcher, ask, make_ready, serve

pytestmark = pytest.mark.django_db

MOST_QUERIES = 12
MANY_PROFILES = 50


def test_list_takes_few_queries_for_many_profiles(web: Client, django_assert_max_num_queries: Any) -> None:
    record()
    announce_switcher()
    for number in range(MANY_PROFILES - 1):
        save_profile(f"p{number}", config=make_config(num_hidden_layers=20 + number % 4))
    save_simulated("served")
    serve("served")
    page(web, LIST)  # the first page that a cookie asks for writes down whose it is

    with django_assert_max_num_queries(MOST_QUERIES):
        html = page(web, LIST)

    assert html.count("fit-verdict fit-") == MANY_PROFILES


def test_list_begins_with_what_is_served_and_says_what_a_switch_is_on_its_way_to(web: Client) -> None:
    make_ready("first", "second", "third")
    serve("third")
    switch = ask("second")

    html = page(web, LIST)

    assert html.index(">third</a>") < html.index(">first</a>") < html.index(">second</a>")
    assert "Served" in cells(html, "third")
    assert "Served" not in cells(html, "first")
    assert "Switching" in cells(html, "second")
    assert f'href="/admin/modelops/switch/{switch.pk}/change/"' in html


def test_list_sorts_by_a_column_that_was_chosen_whatever_is_served(web: Client) -> None:
    make_ready("first", "second")
    serve("second")

    html = page(web, LIST, o="1")

    assert html.index(">first</a>") < html.index(">second</a>")


def test_each_row_has_the_button_that_it_can_have(web: Client) -> None:
    first, served = make_ready("first", "served")
    resting = save_profile("resting", is_enabled=False)
    serve("served")

    html = page(web, LIST)

    assert f'href="{LIST}{first.pk}/switch/" aria-label="Switch to first"' in html
    assert "Enable first" in cells(html, "resting")
    for without in (served, resting):
        assert f"{LIST}{without.pk}/switch/" not in html


def test_engine_that_somebody_else_runs_is_marked_as_served(
    web: Client, simulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_profile("eight", served_model_name="simulated")
    save_profile("other")
    monkeypatch.setattr(slot_status, "get_external_engine", lambda _config: ExternalEngine(simulator))

    html = page(web, LIST)

    assert "Served" in cells(html, "eight")
    assert "Served" not in cells(html, "other")
