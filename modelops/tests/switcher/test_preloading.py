"""Weights fetched ahead: by the holder of the lease, while nothing is switched, with progress and cancel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from accounts.models import AuditEvent
from gateway.conf import get_config
from gateway.errors import ModelNotFound, NotFound, SwitchRefused
from gateway.ids import new_id
from gateway.tests.live import wait_until
from modelops.models import ModelProfile, Preload, PreloadState
from modelops.runtimes.base import FetchProgress, RuntimeFailure, Workload
from modelops.switcher.dependencies import SwitcherDependencies
from modelops.switcher.effects import Effects
from modelops.switcher.engine_control import EngineControl
from modelops.switcher.engine_sampling import EngineSampler
from modelops.switcher.gpu_sampling import GpuSampler
from modelops.switcher.preloading import Preloader
from modelops.switching.preloading import cancel_preload, find_preload, request_preload
from modelops.switching.slots import get_slot
from modelops.tests.fit_rows import record, save_large, save_profile
from modelops.tests.switch_rows import SHELL, announce_switcher

pytestmark = pytest.mark.django_db

HALF = FetchProgress("maker/eight", 5, 10)


class HeldRuntime:
    """A runtime whose fetches end when the test says so, or when they are stopped."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.stopped: list[str] = []
        self.go_on = threading.Event()
        self.failure: RuntimeFailure | None = None

    def prefetch(
        self, workload: Workload, report: Callable[[FetchProgress], None], stop: threading.Event
    ) -> str:
        report(HALF)
        while not self.go_on.wait(0.01):
            if stop.is_set():
                self.stopped.append(workload.profile)
                return ""
        if self.failure is not None:
            raise self.failure
        self.fetched.append(workload.profile)
        return "digest"


@pytest.fixture
def runtime() -> HeldRuntime:
    return HeldRuntime()


@pytest.fixture
def dependencies(runtime: HeldRuntime) -> Iterator[SwitcherDependencies]:
    effects, control = Effects(), EngineControl(get_config())
    runtimes: dict[str, Any] = {"docker": runtime}
    found = SwitcherDependencies(
        config=get_config(),
        runtimes=runtimes,
        control=control,
        effects=effects,
        gpus=GpuSampler(effects),
        loads=EngineSampler(effects, control.read_metrics),
    )
    yield found
    runtime.go_on.set()
    found.control.close()
    effects.finish(5)


@pytest.fixture
def preloader(dependencies: SwitcherDependencies) -> Preloader:
    return Preloader(dependencies)


def save(*slugs: str) -> list[ModelProfile]:
    announce_switcher()
    record()
    return [save_profile(slug) for slug in slugs]


def tick_until(preloader: Preloader, state: PreloadState, preload: Preload) -> Preload:
    """Let the switcher's loop turn until the row says so."""

    def turn() -> bool:
        preloader._look_at = 0.0  # no pause between two looks
        preloader.tick(get_slot(), is_idle=True)
        preload.refresh_from_db()
        return preload.state == state

    wait_until(turn, what=str(state))
    return preload


def test_preload_is_fetched_with_its_progress_in_bytes(preloader: Preloader, runtime: HeldRuntime) -> None:
    save("eight")
    preload = request_preload("eight", SHELL)

    tick_until(preloader, PreloadState.FETCHING, preload)
    wait_until(lambda: tick_until(preloader, PreloadState.FETCHING, preload).progress, what="progress")
    shown = dict(preload.progress)
    runtime.go_on.set()
    tick_until(preloader, PreloadState.DONE, preload)

    assert shown == {"what": "maker/eight", "done_bytes": 5, "total_bytes": 10}
    assert runtime.fetched == ["eight"]
    assert preload.ended_at is not None


def test_profile_that_does_not_fit_can_be_fetched_all_the_same(
    preloader: Preloader, runtime: HeldRuntime
) -> None:
    save()
    save_large()
    runtime.go_on.set()

    tick_until(preloader, PreloadState.DONE, request_preload("large", SHELL))

    assert runtime.fetched == ["large"]


def test_several_are_fetched_one_after_another(preloader: Preloader, runtime: HeldRuntime) -> None:
    save("one", "two")
    first, second = request_preload("one", SHELL), request_preload("two", SHELL)
    tick_until(preloader, PreloadState.FETCHING, first)

    second.refresh_from_db()
    before = second.state
    runtime.go_on.set()
    tick_until(preloader, PreloadState.DONE, second)

    assert before == PreloadState.WAITING
    assert runtime.fetched == ["one", "two"]


def test_cancelled_preload_is_stopped_and_says_so(preloader: Preloader, runtime: HeldRuntime) -> None:
    save("eight")
    preload = request_preload("eight", SHELL)
    tick_until(preloader, PreloadState.FETCHING, preload)

    cancel_preload(preload.pk, SHELL)
    tick_until(preloader, PreloadState.CANCELLED, preload)

    assert (runtime.stopped, runtime.fetched) == (["eight"], [])
    actions = AuditEvent.objects.filter(action__startswith="preload_").order_by("id")
    assert [each.action for each in actions] == ["preload_requested", "preload_cancelled"]


def test_switch_goes_first_and_the_preload_goes_on_afterwards(
    preloader: Preloader, runtime: HeldRuntime
) -> None:
    save("eight")
    preload = request_preload("eight", SHELL)
    tick_until(preloader, PreloadState.FETCHING, preload)

    preloader.tick(get_slot(), is_idle=False)
    wait_until(lambda: runtime.stopped, what="the fetch to stop")
    preload.refresh_from_db()
    meanwhile = preload.state
    runtime.go_on.set()
    tick_until(preloader, PreloadState.DONE, preload)

    assert meanwhile == PreloadState.FETCHING
    assert runtime.fetched == ["eight"]


def test_next_switcher_carries_on_what_another_one_began(preloader: Preloader, runtime: HeldRuntime) -> None:
    save("eight")
    preload = request_preload("eight", SHELL)
    Preload.objects.update(state=PreloadState.FETCHING)
    runtime.go_on.set()

    tick_until(preloader, PreloadState.DONE, preload)

    assert runtime.fetched == ["eight"]


def test_failure_is_kept_with_its_cause(preloader: Preloader, runtime: HeldRuntime) -> None:
    save("eight")
    runtime.failure = RuntimeFailure("no such repository", code="repository_missing")
    runtime.go_on.set()

    preload = tick_until(preloader, PreloadState.FAILED, request_preload("eight", SHELL))

    assert preload.cause["code"] == "repository_missing"


def test_profile_that_is_gone_fails_with_the_reason(preloader: Preloader) -> None:
    save("eight")
    preload = request_preload("eight", SHELL)
    ModelProfile.objects.all().delete()

    tick_until(preloader, PreloadState.FAILED, preload)

    assert "There is no profile 'eight'" in preload.cause["message"]


def test_unfinished_request_is_joined_and_a_finished_one_gives_way_to_the_next() -> None:
    save("eight")
    first = request_preload("eight", SHELL)

    joined = request_preload("eight", SHELL)
    Preload.objects.update(state=PreloadState.DONE, ended_at=first.created_at)
    again = request_preload("eight", SHELL)

    assert joined == first
    assert again != first
    assert list(Preload.objects.all()) == [again]
    assert find_preload("eight") == again


def test_what_cannot_be_preloaded_is_refused() -> None:
    save_profile("elsewhere", runtime="external", image="")

    with pytest.raises(SwitchRefused):
        request_preload("elsewhere", SHELL)
    with pytest.raises(ModelNotFound):
        request_preload("none", SHELL)
    with pytest.raises(NotFound):
        cancel_preload(new_id(), SHELL)
    assert not Preload.objects.exists()
