from __future__ import annotations

from collections.abc import Iterator

import pytest

from modelops.tests.alerting.receiver import Receiver, start_receiver


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with start_receiver() as started:
        yield started
