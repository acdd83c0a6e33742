"""`python -m benchmarks.replica_rows PORT…`: the default slot serves by the mock engines on these ports."""

from __future__ import annotations

import os
import sys

import django


def main(ports: list[int]) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    from django.db import transaction

    from benchmarks.scenarios import MOCK_MODEL
    from modelops.models import DEFAULT_SLOT, Engine, EngineState, Gate, Slot

    with transaction.atomic():
        slot, _ = Slot.objects.get_or_create(slug=DEFAULT_SLOT)
        Slot.objects.filter(pk=slot.pk).update(active_engine=None, last_good_engine=None)
        Engine.objects.filter(slot=slot).delete()
        engines = [
            Engine.objects.create(
                slot=slot,
                generation=slot.generation + number + 1,
                replica=number,
                name=f"mock-{port}",
                state=EngineState.SERVING,
                profile=MOCK_MODEL,
                model_name=MOCK_MODEL,
                names=[MOCK_MODEL],
                runtime="process",
                base_url=f"http://127.0.0.1:{port}",
                spec={"replicas": len(ports)},
            )
            for number, port in enumerate(ports)
        ]
        Slot.objects.filter(pk=slot.pk).update(
            active_engine=engines[0],
            gate=Gate.OPEN,
            epoch=slot.epoch + 1,
            generation=slot.generation + len(ports),
        )


if __name__ == "__main__":
    main([int(port) for port in sys.argv[1:]])
