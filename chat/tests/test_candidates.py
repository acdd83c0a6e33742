"""Before requests go to an engine, this process says whether it reaches it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from chat.tests.switching import FakeSwitcher, database_of
from gateway.tests.databases import Stores
from gateway.tests.live import start_gateway, wait_until
from modelops.domain.switching.states import SwitchState
from modelops.models import Engine, WebPresence
from modelops.serving.web_presence import identify_network
from modelops.simulator.process import find_free_port
from modelops.tests.serving.slot_rows import move_switch

REFUSED = "it does not accept connections"


@pytest.mark.parametrize("is_listening", [True, False])
def test_web_process_says_of_an_engine_that_is_verified_whether_it_reaches_it(
    stores: Stores,
    tmp_path: Path,
    engines: tuple[str, str],
    django_db_blocker: DjangoDbBlocker,
    is_listening: bool,
) -> None:
    with start_gateway(stores, tmp_path, "") as web, database_of(web, django_db_blocker):
        switcher = FakeSwitcher.open(web, *engines)
        switch = switcher.begin(SwitchState.LOADING)
        before = WebPresence.objects.get()
        if not is_listening:
            url = f"http://127.0.0.1:{find_free_port()}"
            Engine.objects.filter(pk=switcher.b.pk).update(base_url=url)

        move_switch(switch, SwitchState.VERIFYING)
        wait_until(lambda: WebPresence.objects.get().reached, what="the engine to be asked")
        said = WebPresence.objects.get().reached
        move_switch(switch, SwitchState.ROLLED_BACK)

        assert (before.reached, before.network) == ({}, identify_network())
        assert said == {str(switcher.b.pk): "" if is_listening else REFUSED}
        wait_until(lambda: WebPresence.objects.get().reached == {}, what="the engine to be forgotten")
