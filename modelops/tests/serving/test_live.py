"""What is known of engine and board right now, through their good and their bad days."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable, ModelLoading
from modelops.domain.switching.states import SwitchState
from modelops.domain.tasks import TASK_PATHS, ModelTask
from modelops.models import Gate
from modelops.serving import live
from modelops.serving.board import BoardSnapshot
from modelops.serving.engine_client import EngineClient, EngineError, EngineRefusedConnection, ServedModel
from modelops.serving.external_engine import ExternalView
from modelops.serving.live import EngineDirectory, EngineHealth, LiveBoard
from modelops.tests.serving.board_views import board, engine, slot, switch

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

    async def find_status(self, path: str) -> int:
        return 404


class CountingEngine(ScriptedEngine):
    """Counts how often it was asked for a path."""

    paths = 0

    async def find_status(self, path: str) -> int:
        self.paths += 1
        return 405 if path == "/v1/embeddings" else 404


async def directory_after(*answers: list[ServedModel] | Exception) -> EngineDirectory:
    """A directory that has asked once for each answer."""
    directory = EngineDirectory(ScriptedEngine(*answers))
    for _ in answers:
        await directory.refresh()
    return directory


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([serving("a")], EngineHealth.READY),
        ([serving()], EngineHealth.NO_MODEL),
        ([REFUSED], EngineHealth.LOADING),
        ([REFUSED, REFUSED], EngineHealth.LOADING),
        ([NONSENSE], EngineHealth.UNREACHABLE),
        ([SILENT], EngineHealth.UNREACHABLE),
        ([REFUSED, serving("a")], EngineHealth.READY),
        ([serving("a"), REFUSED], EngineHealth.UNREACHABLE),
        ([serving("a"), SILENT], EngineHealth.UNREACHABLE),
        ([serving("a"), REFUSED, serving("b")], EngineHealth.READY),
        ([serving("a"), serving(), REFUSED], EngineHealth.UNREACHABLE),
        ([serving(), serving("a")], EngineHealth.READY),
    ],
)
async def test_state_follows_what_the_engine_said(
    answers: list[list[ServedModel] | Exception], state: EngineHealth
) -> None:
    directory = await directory_after(*answers)

    assert directory.snapshot.state is state
    assert directory.snapshot.is_ready is (state is EngineHealth.READY)


async def test_before_the_first_answer_the_engine_is_loading() -> None:
    directory = EngineDirectory(ScriptedEngine(REFUSED))

    assert (directory.snapshot.state, directory.snapshot.current) == (EngineHealth.LOADING, None)


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


class ScriptedWorker(BatchWorker):
    """A database that answers what the test says, read after read; the last answer for ever."""

    def __init__(self, *answers: BoardSnapshot | Exception) -> None:
        self.answers = list(answers)
        self.reads = 0

    async def submit(self, handler: Any, item: Any) -> Any:
        answer = self.answers[min(self.reads, len(self.answers) - 1)]
        self.reads += 1
        if isinstance(answer, Exception):
            raise answer
        return answer


def live_board(
    monkeypatch: pytest.MonkeyPatch,
    *answers: BoardSnapshot | Exception,
    external_url: str = "",
    engine_says: list[ServedModel] | Exception = REFUSED,
) -> LiveBoard:
    """A board that reads these answers, and whose engines all answer the same."""
    monkeypatch.setattr(live, "EngineClient", lambda url, api_key: ScriptedEngine(engine_says))
    return LiveBoard(ScriptedWorker(*answers), external_url=external_url)


SERVING = board(slot(engine("a", "alias")))
AWAY = DependencyUnavailable()


async def test_a_board_that_was_never_read_is_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    unread = live_board(monkeypatch, AWAY, external_url="http://outside", engine_says=serving("x"))
    await unread.ask_engine()

    with pytest.raises(DependencyUnavailable):
        await unread.refresh()

    with pytest.raises(ModelLoading):
        unread.resolve("x")


async def test_the_last_board_stays_while_the_database_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = live_board(monkeypatch, SERVING, AWAY)
    await seen.refresh()

    with pytest.raises(DependencyUnavailable):
        await seen.refresh()

    assert seen.resolve("alias").model == "a"


async def test_listeners_hear_of_changes_only(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[BoardSnapshot] = []
    changing = live_board(monkeypatch, SERVING, board(slot(engine("a", "alias"))), board(slot(engine("b"))))
    changing.subscribe(heard.append)

    for _ in range(3):
        await changing.refresh()

    assert heard == [SERVING, board(slot(engine("b")))]


async def test_the_board_is_watched_through_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    for period in ("SETTLED_PERIOD_S", "UNSETTLED_PERIOD_S", "AWAY_PERIOD_S"):
        monkeypatch.setattr(live, period, 0.001)
    watched = live_board(monkeypatch, AWAY, SERVING, AWAY, board(slot(engine("b"))))
    boards: asyncio.Queue[BoardSnapshot] = asyncio.Queue()
    watched.subscribe(boards.put_nowait)

    watching = asyncio.create_task(watched.watch())
    async with asyncio.timeout(DEADLINE_S):
        await boards.get()
        await boards.get()
    watching.cancel()

    assert watched.resolve("current").model == "b"


async def test_the_board_is_read_at_once_when_something_has_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SETTLED_PERIOD_S", 3600)
    watched = live_board(monkeypatch, SERVING, board(slot(engine("b"))))
    boards: asyncio.Queue[BoardSnapshot] = asyncio.Queue()
    watched.subscribe(boards.put_nowait)

    watching = asyncio.create_task(watched.watch())
    async with asyncio.timeout(DEADLINE_S):
        await boards.get()
        watched.look_soon()
        await boards.get()
    watching.cancel()

    assert watched.resolve("current").model == "b"


FAILED = slot(None, problem={"message": "Out of memory."}, desired_profile="a")


@pytest.mark.parametrize(
    ("snapshot", "engine_says", "state"),
    [
        (SERVING, serving("a"), EngineHealth.READY),
        (SERVING, SILENT, EngineHealth.UNREACHABLE),
        (SERVING, REFUSED, EngineHealth.UNREACHABLE),
        (board(slot(engine("a"), switch("a", "b", SwitchState.PLANNED))), serving("a"), EngineHealth.READY),
        (board(slot(engine("a"), switch("a", "b"), gate=Gate.CLOSED)), serving("a"), EngineHealth.SWITCHING),
        (board(slot(None, switch("a", "b"), gate=Gate.CLOSED)), REFUSED, EngineHealth.SWITCHING),
        (board(slot(None, switch("", "b"))), REFUSED, EngineHealth.LOADING),
        (board(FAILED), REFUSED, EngineHealth.DEGRADED),
        (board(slot(None)), REFUSED, EngineHealth.NO_MODEL),
        (board(slot(None, desired_profile="a")), REFUSED, EngineHealth.LOADING),
        (board(), REFUSED, EngineHealth.LOADING),
    ],
)
async def test_the_status_is_the_default_slots(
    monkeypatch: pytest.MonkeyPatch,
    snapshot: BoardSnapshot,
    engine_says: list[ServedModel] | Exception,
    state: EngineHealth,
) -> None:
    seen = live_board(monkeypatch, snapshot, engine_says=engine_says)

    await seen.refresh()
    await seen.ask_engine()

    assert seen.status.state is state
    assert (seen.status.latency_ms is not None) is (state is EngineHealth.READY)


async def test_an_engine_counts_as_ready_before_it_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = live_board(monkeypatch, SERVING)

    await seen.refresh()

    assert (seen.status.state, seen.status.current) == (EngineHealth.READY, "a")


async def test_the_external_engine_serves_until_the_slot_has_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = live_board(monkeypatch, board(), SERVING, external_url="http://outside", engine_says=serving("x"))
    await seen.refresh()
    await seen.ask_engine()
    before = seen.resolve("current"), [model.name for model in seen.list_models()], seen.status.current

    await seen.refresh()

    assert (before[0].base_url, before[0].model) == ("http://outside", "x")
    assert before[1:] == (["x"], "x")
    assert seen.resolve("current").model == "a"
    assert [model.name for model in seen.list_models()] == ["a", "alias"]


@pytest.mark.parametrize(
    ("engine_says", "expected"),
    [
        (serving("x"), ExternalView(tuple(serving("x")))),
        (serving(), ExternalView()),
        (REFUSED, ExternalView(problem=str(REFUSED), is_loading=True)),
        (NONSENSE, ExternalView(problem=str(NONSENSE))),
    ],
)
async def test_the_external_engine_is_told_as_it_was_seen_last(
    monkeypatch: pytest.MonkeyPatch, engine_says: Any, expected: ExternalView
) -> None:
    seen = live_board(monkeypatch, board(), external_url="http://outside", engine_says=engine_says)

    await seen.ask_engine()

    assert seen.view_external() == expected


async def test_without_its_address_there_is_no_external_engine_to_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert live_board(monkeypatch, SERVING).view_external() is None


async def test_the_probe_follows_the_active_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def client(url: str, api_key: str) -> ScriptedEngine:
        asked.append(url)
        return ScriptedEngine(serving("whatever"))

    monkeypatch.setattr(live, "EngineClient", client)
    moving = LiveBoard(ScriptedWorker(SERVING, SERVING, board(slot(engine("b")))))
    for _ in range(3):
        await moving.refresh()

    assert asked == ["http://a:8000", "http://b:8000"]


async def test_every_name_is_listed_with_the_card_that_its_engine_wrote(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = {"id": "a", "object": "model", "owned_by": "vllm", "max_model_len": 4096}
    second = slot(engine("b", cards=({**card, "id": "b"},)), slug="second")
    seen = live_board(
        monkeypatch, board(second, slot(engine("a", "alias", cards=(card,), max_model_len=4096)))
    )
    await seen.refresh()

    assert [model.card for model in seen.list_models()] == [card, {**card, "id": "alias"}]
    assert [model.name for model in seen.list_further_models()] == ["b"]


async def test_tasks_are_asked_once_for_what_the_engine_serves() -> None:
    asked = CountingEngine(serving("a"), serving("a"), serving("b"), SILENT, serving("b"))
    directory = EngineDirectory(asked)

    counts = []
    for _ in range(5):
        await directory.refresh()
        counts.append(asked.paths)

    assert [count // len(TASK_PATHS) for count in counts] == [1, 1, 2, 2, 3]
    assert directory.snapshot.models[0].tasks == (ModelTask.EMBED,)


async def test_engine_that_does_not_tell_its_tasks_serves_all_the_same() -> None:
    class TellsNothing(ScriptedEngine):
        async def find_status(self, path: str) -> int:
            raise SILENT

    directory = EngineDirectory(TellsNothing(serving("a")))

    await directory.refresh()

    assert directory.snapshot.is_ready
    assert directory.snapshot.models[0].tasks is None
