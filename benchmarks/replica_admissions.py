"""The CPU of admitting a request to one of several engines: `… -m benchmarks.replica_admissions`."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
django.setup()

from benchmarks.scenarios import MOCK_MODEL  # noqa: E402 - models need Django
from chat.engine_admission import EngineAdmission, WaitLimits  # noqa: E402
from chat.slot_queues import RouteRequest  # noqa: E402
from modelops.models import Gate  # noqa: E402
from modelops.serving.board import BoardSnapshot, ServingEngine, SlotView  # noqa: E402
from modelops.serving.routes import RouteTable  # noqa: E402

ADMISSIONS = 20_000
OPEN_AT_A_TIME = 16
CHAT_PATH_US = 560.0
"""What a whole chat costs (benchmarks/README.md)."""


class _Board:
    def __init__(self, engines: list[ServingEngine]) -> None:
        leader, *followers = engines
        slot = SlotView(
            id=uuid.uuid4(),
            slug="default",
            epoch=1,
            gate=Gate.OPEN,
            engine=leader,
            followers=tuple(followers),
        )
        self.snapshot = BoardSnapshot((slot,))
        self.routes = RouteTable(self.snapshot)

    def slot(self, slug: str) -> SlotView | None:
        return self.snapshot.slots[0]

    def subscribe(self, listener: Callable[[BoardSnapshot], None]) -> None:
        listener(self.snapshot)


def time_admissions(engines: int) -> float:
    """The CPU of admitting one request and leaving again, in microseconds."""
    serving = [
        ServingEngine(
            id=uuid.uuid4(),
            profile=MOCK_MODEL,
            model_name=MOCK_MODEL,
            names=(MOCK_MODEL,),
            base_url=f"http://127.0.0.1:{9000 + number}",
        )
        for number in range(engines)
    ]
    admission = EngineAdmission(_Board(serving), WaitLimits(plain_s=1, stream_s=1, queue_size=1))
    conversations = [uuid.uuid4() for _ in range(64)]
    open_requests = []
    begun = time.process_time()
    for number in range(ADMISSIONS):
        request = RouteRequest(MOCK_MODEL, is_stream=True, affinity=conversations[number % 64])
        admitted = admission.try_admit(request, lambda _reason: None)
        if admitted is None:
            raise AssertionError("An engine without a limit refused a request.")
        admitted.carry(2000, 1, 100)
        open_requests.append(admitted)
        if len(open_requests) == OPEN_AT_A_TIME:
            for each in open_requests:
                each.leave()
            open_requests.clear()
    return (time.process_time() - begun) * 1e6 / ADMISSIONS


def main(rounds: int) -> None:
    for count in (1, 8):
        spent_us = min(time_admissions(count) for _ in range(rounds))
        share = 100 * spent_us / CHAT_PATH_US
        engines = "one engine" if count == 1 else f"{count} engines"
        print(f"CPU of admitting, {engines}: {spent_us:.1f} µs, {share:.1f} % of the chat path", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
