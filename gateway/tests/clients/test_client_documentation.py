"""`docs/clients.md`: the clients that are tried, what each of them cannot do, what the gateway refuses."""

from __future__ import annotations

import pytest

from chat.refused_fields import REFUSED_FIELDS
from gateway.conf import BASE_DIR
from gateway.conf_requests import OPERATORS_FIELDS
from gateway.tests.clients.versions import list_rows


@pytest.fixture(scope="module")
def text() -> str:
    return (BASE_DIR / "docs" / "clients.md").read_text()


def test_the_clients_that_are_tried_are_named(text: str) -> None:
    table = text.split("<!-- begin clients -->\n")[1].split("<!-- end clients -->")[0]

    assert table.splitlines() == list(list_rows())


def test_every_field_that_is_refused_is_named(text: str) -> None:
    refusals = text.split("## What vLLM takes and the gateway does not\n")[1]

    assert [name for name in (*REFUSED_FIELDS, *OPERATORS_FIELDS) if f"`{name}`" not in refusals] == []
