"""What is known of the engine right now, through its good and its bad days."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from gateway.errors import GatewayError, ModelLoading, ModelNotFound, NoModel
from modelops.engine import EngineClient, EngineError, EngineRefusedConnection, ServedModel
from modelops.live import EngineDirectory, EngineState

DEADLINE_S = 10.0

REFUSED = EngineRefusedConnection("it does not accept connections")
NONSENSE = EngineError("its /v1/models is not JSON")
SILENT = EngineError("it did not answer in time")


def serving(*names: str) -> list[ServedModel]:
    return [ServedModel(name, 4096, {"id": name}) for name in names]


class ScriptedEngine(EngineClient):
    """Answers what the test says, call after call; the last answer for ever."""

    def __init__(self, *answers: list[ServedModel] | Exception) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def list_models(self) -> tuple[list[ServedModel], float]:
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        return answer, 1.5


async def directory_after(*answers: list[ServedModel] | Exception) -> EngineDirectory:
    """A directory that has asked once for each answer."""
    directory = EngineDirectory(ScriptedEngine(*answers))
    for _ in answers:
        await directory.refresh()
    return directory


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([serving("a")], EngineState.READY),
        ([serving()], EngineState.NO_MODEL),
        ([REFUSED], EngineState.LOADING),
        ([REFUSED, REFUSED], EngineState.LOADING),
        ([NONSENSE], EngineState.UNREACHABLE),
        ([SILENT], EngineState.UNREACHABLE),
        ([REFUSED, serving("a")], EngineState.READY),
        ([serving("a"), REFUSED], EngineState.UNREACHABLE),
        ([serving("a"), SILENT], EngineState.UNREACHABLE),
        ([serving("a"), REFUSED, serving("b")], EngineState.READY),
        ([serving("a"), serving(), REFUSED], EngineState.UNREACHABLE),
        ([serving(), serving("a")], EngineState.READY),
    ],
)
async def test_state_follows_what_the_engine_said(
    answers: list[list[ServedModel] | Exception], state: EngineState
) -> None:
    directory = await directory_after(*answers)

    assert directory.snapshot.state is state
    assert directory.snapshot.is_ready is (state is EngineState.READY)


async def test_before_the_first_answer_the_engine_is_loading() -> None:
    directory = EngineDirectory(ScriptedEngine(REFUSED))

    assert (directory.snapshot.state, directory.snapshot.current) == (EngineState.LOADING, None)


async def test_ready_snapshot_knows_models_and_latency() -> None:
    snapshot = (await directory_after(serving("a", "b"))).snapshot

    assert (snapshot.current, snapshot.latency_ms, snapshot.problem) == ("a", 1.5, "")
    assert [model.name for model in snapshot.models] == ["a", "b"]


async def test_lost_engine_leaves_its_models_and_the_problem_behind() -> None:
    snapshot = (await directory_after(serving("a"), SILENT)).snapshot

    assert (snapshot.current, snapshot.latency_ms) == ("a", None)
    assert snapshot.problem == "it did not answer in time"


async def test_recovered_engine_has_no_problem() -> None:
    snapshot = (await directory_after(serving("a"), SILENT, serving("a"))).snapshot

    assert (snapshot.problem, snapshot.latency_ms) == ("", 1.5)


@pytest.mark.parametrize(("name", "found"), [("", "a"), ("current", "a"), ("a", "a"), ("b", "b")])
async def test_model_is_found_by_its_name_or_as_the_current_one(name: str, found: str) -> None:
    directory = await directory_after(serving("a", "b"))

    assert directory.resolve(name).name == found


async def test_lost_engine_still_resolves_so_that_the_request_meets_the_failure() -> None:
    directory = await directory_after(serving("a"), REFUSED)

    assert directory.resolve("current").name == "a"


@pytest.mark.parametrize("name", ["c", "A", "a/../b", "current ", "a\x00"])
async def test_unknown_model_is_not_found_and_the_served_ones_are_named(name: str) -> None:
    directory = await directory_after(serving("a", "b"))

    with pytest.raises(ModelNotFound) as caught:
        directory.resolve(name)

    assert caught.value.param == "model"
    assert caught.value.message.endswith("Served now: a, b.")


@pytest.mark.parametrize(
    ("answer", "kind"), [(REFUSED, ModelLoading), (serving(), NoModel), (NONSENSE, ModelLoading)]
)
async def test_without_models_the_reason_is_told(
    answer: list[ServedModel] | Exception, kind: type[GatewayError]
) -> None:
    directory = await directory_after(answer)

    for name in ("current", "a"):
        with pytest.raises(kind):
            directory.resolve(name)


async def watch_until(directory: EngineDirectory, condition: Callable[[], bool]) -> None:
    """Watch the engine until the condition holds."""
    watching = asyncio.create_task(directory.watch())
    try:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                assert not watching.done()
                await asyncio.sleep(0.01)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


async def test_watch_sees_the_engine_become_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelops.live.UNREADY_PERIOD_S", 0.01)
    directory = EngineDirectory(ScriptedEngine(REFUSED, REFUSED, NONSENSE, serving("a")))

    await watch_until(directory, lambda: directory.snapshot.is_ready)

    assert directory.resolve("current").name == "a"
