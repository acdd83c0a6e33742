"""What /health and /health/ready rest on: checks that are shared, remembered and bounded."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from chat.tests.streams import error_of
from gateway import probes
from gateway.batching import BatchWorker
from gateway.errors import DependencyUnavailable
from gateway.probes import Probe, ProbeLog, StoreProbes, find_unapplied_migrations
from gateway.tests.databases import Stores
from gateway.tests.live import start_gateway


class Check:
    """Answers 1.5 ms, `failures` times an error first."""

    def __init__(self, *, failures: int = 0) -> None:
        self.calls = 0
        self._failures = failures

    async def __call__(self) -> float:
        self.calls += 1
        await asyncio.sleep(0)
        if self.calls <= self._failures:
            raise DependencyUnavailable
        return 1.5


async def test_probes_that_come_together_share_one_check() -> None:
    check = Check()
    probe = Probe("x", check)

    outcomes = await asyncio.gather(*(probe.look() for _ in range(50)))

    assert check.calls == 1
    assert {outcome.describe()["status"] for outcome in outcomes} == {"ok"}


async def test_outcome_counts_for_a_while_and_then_is_found_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    check = Check(failures=1)
    probe = Probe("x", check)

    first = [(await probe.look()).status for _ in range(3)]
    calls = check.calls
    monkeypatch.setattr(probes, "LIFE_S", 0.0)
    second = (await probe.look()).status

    assert (first, calls) == (["unavailable"] * 3, 1)
    assert (second, check.calls) == ("ok", 2)


async def test_what_was_found_good_for_ever_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "LIFE_S", 0.0)
    check = Check(failures=1)
    probe = Probe("x", check, lasts=True)

    statuses = [(await probe.look()).status for _ in range(4)]

    assert (statuses, check.calls) == (["unavailable", "ok", "ok", "ok"], 2)


async def test_check_without_end_counts_as_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "TIMEOUT_S", 0.01)

    async def hang() -> float:
        await asyncio.Event().wait()
        raise AssertionError

    assert (await Probe("x", hang).look()).status == "unavailable"


def test_good_probes_are_logged_once_a_minute_with_the_number_of_the_others() -> None:
    probes_log = ProbeLog()

    noted = [probes_log.note("/health", now) for now in (0.0, 5.0, 59.0, 61.0, 62.0)]

    assert noted == [0, None, None, 2, None]
    assert probes_log.note("/metrics", 62.0) == 0


@pytest.mark.django_db(transaction=True)
async def test_migrations_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "LIFE_S", 0.0)
    looks: list[int] = []

    def look(items: list[None]) -> object:
        looks.append(len(items))
        return find_unapplied_migrations(items)

    monkeypatch.setattr(probes, "find_unapplied_migrations", look)
    worker = BatchWorker()
    store_probes = StoreProbes(worker, None)

    outcomes = [await store_probes.look_at_everything() for _ in range(3)]
    await worker.stop()

    assert {outcome.status for found in outcomes for outcome in found} == {"ok"}
    assert len(looks) == 1


def test_probes_of_an_address_are_bounded(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> None:
    with start_gateway(
        embedded_stores,
        tmp_path_factory.mktemp("probes"),
        simulator,
        PROBE_RATE="5/m",
        TRUSTED_PROXY_HOPS="1",
    ) as gateway:

        def ask(address: str, path: str) -> httpx.Response:
            return httpx.get(f"{gateway.url}{path}", headers={"x-forwarded-for": address})

        answers = [ask("192.0.2.1", path) for path in ["/health", "/health/ready"] * 3]
        other = ask("192.0.2.2", "/health/ready")

    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert error_of(answers[-1])["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert other.status_code == 200
