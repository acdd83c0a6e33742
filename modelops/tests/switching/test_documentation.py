"""The table of states in docs/switching.md says what the rules do."""

from __future__ import annotations

import re

from gateway.conf import BASE_DIR
from modelops.domain.switching.states import SwitchState
from modelops.tests.domain.test_rule_properties import AFTER


def test_the_documented_states_and_their_arrows_are_those_of_the_rules() -> None:
    text = (BASE_DIR / "docs" / "switching.md").read_text()
    table = text.split("<!-- begin states -->")[1].split("<!-- end states -->")[0]

    documented = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and cells[1].startswith("`"):
            documented[SwitchState(cells[1].strip("`"))] = set(re.findall(r"`(\w+)`", cells[2]))

    # Back to clearing from these three is the one automatic retry.
    assert documented == {state: set(AFTER.get(state, set())) for state in SwitchState}
