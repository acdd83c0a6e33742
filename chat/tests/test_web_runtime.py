"""The background work of a web process, and its start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from chat import web_runtime as runtime_module
from chat.web_runtime import WebRuntime, get_runtime, hold_alone
from gateway.batching import BatchWorker
from gateway.database.changes import announce_change
from modelops.models import Slot
from modelops.serving import live
from modelops.serving.board import BoardSnapshot
from modelops.serving.live import LiveBoard


async def test_background_work_goes_on_after_an_unexpected_failure() -> None:
    calls: list[int] = []
    is_done = asyncio.Event()

    async def work() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise ValueError("something nobody thought of")
        is_done.set()

    repeating = asyncio.create_task(WebRuntime._repeat(object.__new__(WebRuntime), work, 0.001))
    try:
        async with asyncio.timeout(5):
            await is_done.wait()
    finally:
        repeating.cancel()

    assert len(calls) >= 2


async def test_a_start_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts: list[Any] = []

    async def start(config: Any) -> str:
        attempts.append(config)
        if len(attempts) == 1:
            raise RuntimeError("the database has no tables yet")
        return "running"

    monkeypatch.setattr(runtime_module, "start_runtime", start)
    monkeypatch.setattr(runtime_module, "_runtime", None)

    with pytest.raises(RuntimeError, match="no tables"):
        await get_runtime()
    second = await get_runtime()
    third = await get_runtime()

    assert (str(second), str(third)) == ("running", "running")
    assert len(attempts) == 2


@pytest.mark.django_db(transaction=True)
async def test_the_board_hears_of_changes_that_are_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SETTLED_PERIOD_S", 3600)
    runtime = object.__new__(WebRuntime)
    worker = BatchWorker("board-worker-under-test")
    runtime.board = LiveBoard(worker)
    boards: asyncio.Queue[BoardSnapshot] = asyncio.Queue()
    runtime.board.subscribe(boards.put_nowait)
    watching = asyncio.create_task(runtime._watch_board())
    try:
        async with asyncio.timeout(10):
            assert (await boards.get()).slots == ()

            await asyncio.to_thread(add_slot)

            assert [slot.slug for slot in (await boards.get()).slots] == ["new"]
    finally:
        watching.cancel()
        await worker.stop()


def add_slot() -> None:
    Slot.objects.create(slug="new")
    announce_change()
    connections.close_all()


def test_a_data_folder_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    first = hold_alone(tmp_path)
    assert first is not None

    assert hold_alone(tmp_path) is None

    first.close()
    again = hold_alone(tmp_path)
    assert again is not None
    again.close()
