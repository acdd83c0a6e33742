"""Environment and fixtures of the whole test run; pytest.ini loads it before Django's settings."""

from __future__ import annotations

import functools
import gc
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import hypothesis
import pytest

from gateway.tests.budgets import examples, has_full_budget
from gateway.tests.parts import Part, choose_sample, find_parts, write_plan

if TYPE_CHECKING:
    from gateway.tests.databases import Stores
    from gateway.tests.live import GatewayProcess

pytest_plugins = ["gateway.tests.docker_engine.fixtures", "gateway.tests.ray_cluster.fixtures"]

# Before anything reads the settings: nothing of this machine's own configuration leaks into a test.
_data = tempfile.TemporaryDirectory(prefix="gw-test-")
os.environ.update(
    {
        "GATEWAY_ENV_FILE": os.devnull,
        "GATEWAY_DATA_DIR": _data.name,
        # What processes of the run share: those that this one starts have the same.
        "GATEWAY_TEST_SHARED": os.environ.get("GATEWAY_TEST_SHARED", _data.name),
        "SECRET_KEY": "s" * 40,
        "JWT_SECRET": "j" * 40,
        "LOG_LEVEL": "WARNING",
        # Every test comes from one address; those about limits set their own.
        "ADDRESS_RATE": "1000000/m",
        "PROBE_RATE": "1000000/m",
        "MAX_CONCURRENT_STREAMS": "100000",
        "ALLOWED_HOSTS": "testserver,127.0.0.1,localhost",
    }
)


def is_on_services() -> bool:
    """True when this run is on PostgreSQL + Redis, False on the embedded defaults."""
    return bool(os.environ.get("DATABASE_URL"))


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gateway")
    group.addoption("--part", choices=list(Part), help="run what belongs to this part of the suite")
    group.addoption(
        "--sample",
        action="store_true",
        help="do little twice of what runs on both stores, unless GATEWAY_TEST_BUDGET is full",
    )
    group.addoption(
        "--quick",
        action="store_true",
        help="leave out what starts a process, and all that needs more than SQLite",
    )


def pytest_configure(config: pytest.Config) -> None:
    # Here, as of two plugins with the same fixture the later one's is taken: pytest-django has them too.
    config.pluginmanager.import_plugin("gateway.tests.prefilled_database")
    # What takes long on a busy machine is no mistake of the code's.
    unhurried: dict[str, Any] = {
        "deadline": None,
        "suppress_health_check": [hypothesis.HealthCheck.too_slow],
    }
    hypothesis.settings.register_profile("gateway", max_examples=examples(100), **unhurried)
    hypothesis.settings.load_profile("gateway")
    spare_work()
    if config.option.quick:
        # Of a process that was refused, the pipes and files that were opened for it.
        config.addinivalue_line("filterwarnings", "ignore::pytest.PytestUnraisableExceptionWarning")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if plan := os.environ.get("GATEWAY_TEST_PLAN"):
        write_plan(Path(plan), items, config.rootpath)
    if part := Part.EMBEDDED if config.option.quick else config.option.part:
        chosen = [item for item in items if part in find_parts(item)]
        if config.option.sample and not has_full_budget():
            chosen = choose_sample(chosen, Part(part))
        config.hook.pytest_deselected(items=list(set(items) - set(chosen)))
        items[:] = chosen
    reason = "needs PostgreSQL + Redis: this is the run on the embedded defaults"
    for item in items:
        if item.get_closest_marker("services") and not is_on_services():
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.quick:
        refuse_processes()
    # Thousands of tests stay until the end: nothing for the collector to walk through again and again.
    gc.collect()
    gc.freeze()


def spare_work() -> None:
    """Leave out, in this process alone, what costs much and is tested where it belongs."""
    import httpx._transports.default
    from django.conf import settings

    from gateway.tests.forked import start_python
    from modelops.simulator import process as simulator_process

    # Argon2 takes 100 ms for a password.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
    # Else every test client reads the folders of all static files.
    settings.WHITENOISE_AUTOREFRESH = True
    # Else every client of httpx reads all certificate authorities, though none of ours speaks TLS.
    transport = httpx._transports.default
    transport.create_ssl_context = functools.cache(httpx.create_ssl_context)  # type: ignore[attr-defined]
    # Half a second each, of which nothing is the simulator's own.
    simulator_process.start_python = lambda arguments, environment, log: start_python(
        *arguments, environment=environment, stdout=log, stderr=log
    )


def refuse_processes() -> None:
    """Skip whatever starts a process, at the moment that it does."""

    def refuse(event: str, arguments: tuple[object, ...]) -> None:
        if event in {"subprocess.Popen", "os.fork", "os.posix_spawn"}:
            pytest.skip("starts a process")

    sys.addaudithook(refuse)


@pytest.fixture(scope="session")
def simulator() -> Iterator[str]:
    """The URL of a simulated engine that serves `simulated` and fails only where a request asks it to."""
    from modelops.simulator.process import start_simulator

    with start_simulator(
        "--served-model-name",
        "simulated",
        "--max-model-len",
        "4096",
        "--sim-tokens-per-second",
        "200",
    ) as engine:
        yield engine.base_url


@pytest.fixture(autouse=True)
def default_language() -> None:
    """A request in another language leaves it active in its thread, as Django's middleware does."""
    from django.utils import translation

    translation.deactivate()


@pytest.fixture(autouse=True)
def no_cache_without_stores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the cache is follows from what a run is on; pytest-django sees to databases in the same way."""
    from django.core.cache import CacheHandler

    def refuse(handler: CacheHandler, alias: str) -> NoReturn:
        pytest.fail(f"the cache `{alias}` is a store: a test of it uses the fixture `stores` or the database")

    if find_parts(request.node) == {Part.EMBEDDED}:
        monkeypatch.setattr(CacheHandler, "__getitem__", refuse)
        # Django closes at the end of each request what an earlier test may have opened.
        monkeypatch.setattr(CacheHandler, "close_all", lambda handler: None)


@pytest.fixture(scope="session")
def stores() -> Stores:
    """What this run is on. Whatever uses it runs on SQLite, and on PostgreSQL + Redis as well."""
    from gateway.tests.databases import Stores

    return Stores(os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", ""))


@pytest.fixture(scope="session")
def embedded_stores() -> Stores:
    """SQLite and process memory, for what is the same on every store and so runs once."""
    from gateway.tests.databases import Stores

    return Stores()


@pytest.fixture(scope="session")
def gateway(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """A gateway process in front of `simulator`, shared by the whole run: leave no trace that others see."""
    from gateway.tests.live import start_gateway

    with start_gateway(stores, tmp_path_factory.mktemp("shared"), simulator) as process:
        yield process


@pytest.fixture(scope="session")
def embedded_gateway(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """The same for requests that no store has a part in."""
    from gateway.tests.live import start_gateway

    with start_gateway(embedded_stores, tmp_path_factory.mktemp("embedded"), simulator) as process:
        yield process
