from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import CapturingLogger, capture_logs

from modelops.hardware import GpuReading, HardwareProblem, HardwareReading, ProblemCode
from modelops.hardware.sampling import ChangeLog, HistoryBound, latest_reading, load_history, record_reading
from modelops.models import HardwareSample

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def make_reading(*, minutes: float = 0, lost: bool = False, heat: int = 40) -> HardwareReading:
    problem = HardwareProblem(ProblemCode.GPU_LOST, "GPU 1 is lost.", "Reboot.", 1) if lost else None
    gpus = (
        GpuReading(index=0, uuid="GPU-a", temperature_c=heat, compute_capability=(8, 6)),
        GpuReading(index=1, uuid=None if lost else "GPU-b", problem=problem),
    )
    return HardwareReading(taken_at=NOON + timedelta(minutes=minutes), gpus=gpus)


@pytest.mark.django_db
def test_a_stored_reading_comes_back_as_it_was() -> None:
    reading = make_reading(lost=True)

    sample = record_reading(reading, host="box")

    assert latest_reading(max_age_s=60, now=NOON) == reading
    assert (sample.host, sample.taken_at, sample.pk.version) == ("box", NOON, 7)


@pytest.mark.django_db
def test_history_keeps_the_newest_of_each_host_oldest_first() -> None:
    bound = HistoryBound(samples=3)
    record_reading(make_reading(), host="other", bound=bound)

    for minute in range(6):
        record_reading(make_reading(minutes=minute), host="box", bound=bound)

    kept = [(entry.host, entry.reading.taken_at.minute) for entry in load_history()]
    assert kept == [("other", 0), ("box", 3), ("box", 4), ("box", 5)]
    assert HardwareSample.objects.count() == 4


@pytest.mark.django_db
def test_history_forgets_what_is_old_also_of_hosts_that_are_gone() -> None:
    bound = HistoryBound(age=timedelta(minutes=10))
    record_reading(make_reading(), host="retired", bound=bound)
    record_reading(make_reading(), host="box", bound=bound)

    record_reading(make_reading(minutes=11), host="box", bound=bound)

    assert [entry.reading.taken_at.minute for entry in load_history()] == [11]


@pytest.mark.django_db
def test_a_reading_that_is_too_old_is_no_reading() -> None:
    record_reading(make_reading(), host="box")

    assert latest_reading(max_age_s=30, now=NOON + timedelta(seconds=31)) is None
    assert latest_reading(max_age_s=30, now=NOON + timedelta(seconds=29)) is not None
    assert latest_reading(max_age_s=30, now=NOON, host="elsewhere") is None


@pytest.mark.django_db
def test_history_is_cut_by_time_host_and_number() -> None:
    for minute in range(4):
        record_reading(make_reading(minutes=minute), host="box")
    record_reading(make_reading(minutes=9), host="other")

    recent = load_history(host="box", since=NOON + timedelta(minutes=1), limit=2)

    assert [entry.reading.taken_at.minute for entry in recent] == [2, 3]


@pytest.mark.django_db
def test_a_row_that_is_no_reading_is_left_out_and_logged() -> None:
    record_reading(make_reading(), host="box")
    HardwareSample.objects.create(taken_at=NOON, host="box", reading={"gpus": "many"})

    with capture_logs() as logs:
        history = load_history()

    assert len(history) == 1
    assert [line["event"] for line in logs] == ["hardware_sample_unreadable"]


def test_only_a_change_of_gpus_or_problems_is_logged() -> None:
    logger = CapturingLogger()
    changes = ChangeLog(logger)

    changes.note(make_reading())
    changes.note(make_reading(minutes=1, heat=80))
    changes.note(make_reading(minutes=2, lost=True))
    changes.note(make_reading(minutes=3, lost=True, heat=50))
    changes.note(make_reading(minutes=4))

    assert [(call.method_name, call.kwargs["gpus"], call.kwargs["problems"]) for call in logger.calls] == [
        ("info", ["GPU-a", "GPU-b"], []),
        ("warning", ["GPU-a"], ["GPU 1 is lost."]),
        ("info", ["GPU-a", "GPU-b"], []),
    ]
