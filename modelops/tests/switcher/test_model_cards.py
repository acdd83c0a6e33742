"""The cards that engines show of their models, whatever shows them."""

from __future__ import annotations

from typing import Any

import pytest

from modelops.switcher.engine_control import complete_card


@pytest.mark.parametrize(
    ("card", "context"),
    [
        ({"id": "a", "max_model_len": 4096}, 4096),
        # As ray.serve.llm writes it (2.60).
        ({"id": "a", "metadata": {"model_id": "a", "max_request_context_length": 1024}}, 1024),
        ({"id": "a", "metadata": {"max_request_context_length": -1}}, None),
        ({"id": "a", "metadata": {"max_request_context_length": None}}, None),
        ({"id": "a", "metadata": "none"}, None),
    ],
)
def test_the_context_is_read_where_the_card_has_it(card: dict[str, Any], context: int | None) -> None:
    assert complete_card(card).get("max_model_len") == context
