"""The real vLLM as a fixture, one engine for the whole test run.

GATEWAY_TEST_VLLM says what the run thinks of it: unset, tests are skipped where vLLM cannot be
installed; `skip`, they are skipped without trying; `require`, a failed installation is an error.
"""

import os
from collections.abc import Iterator
from typing import NoReturn

import httpx
import pytest

from gateway.tests.docker_engine.daemon import DockerEngine

from .docker_image import import_vllm_image
from .engine import VllmEngine, start_vllm
from .install import Installation, InstallError, ensure_installed

REQUEST_TIMEOUT_S = 60.0
REQUIRE = "require"
skip_reason = pytest.StashKey[str]()


@pytest.fixture(scope="session")
def vllm_installation(request: pytest.FixtureRequest) -> Installation:
    """Return an installed vLLM, or skip and say so again at the end of the run."""
    policy = os.environ.get("GATEWAY_TEST_VLLM", "")
    if policy == "skip":
        skip_loudly(request.config, "GATEWAY_TEST_VLLM=skip")
    try:
        return ensure_installed()
    except InstallError as exc:
        if policy == REQUIRE:
            raise
        skip_loudly(request.config, str(exc))


@pytest.fixture(scope="session")
def vllm_engine(vllm_installation: Installation) -> Iterator[VllmEngine]:
    """Yield a running engine; one that is installed but does not start is an error, not a skip."""
    with start_vllm(installation=vllm_installation) as engine:
        yield engine


@pytest.fixture(scope="session")
def vllm_docker_engine(request: pytest.FixtureRequest, vllm_installation: Installation) -> DockerEngine:
    """Return the run's Docker engine, for vLLM in containers; missing it counts as missing vLLM does."""
    try:
        engine: DockerEngine = request.getfixturevalue("docker_engine")
    except pytest.skip.Exception as exc:
        if os.environ.get("GATEWAY_TEST_VLLM") == REQUIRE:
            pytest.fail(f"GATEWAY_TEST_VLLM={REQUIRE}: {exc}")
        skip_loudly(request.config, str(exc))
    return engine


@pytest.fixture(scope="session")
def vllm_image(
    request: pytest.FixtureRequest, vllm_docker_engine: DockerEngine, vllm_installation: Installation
) -> str:
    """Return the tag of an image with this vLLM on that engine, made once for the run."""
    try:
        return import_vllm_image(vllm_docker_engine.client(), vllm_installation)
    except InstallError as exc:
        if os.environ.get("GATEWAY_TEST_VLLM") == REQUIRE:
            raise
        skip_loudly(request.config, str(exc))


@pytest.fixture
def vllm_client(vllm_engine: VllmEngine) -> Iterator[httpx.Client]:
    """Yield an HTTP client that speaks straight to the engine."""
    with httpx.Client(base_url=vllm_engine.base_url, timeout=REQUEST_TIMEOUT_S) as client:
        yield client


def skip_loudly(config: pytest.Config, reason: str) -> NoReturn:
    """Skip the test and remember why for the summary."""
    config.stash[skip_reason] = reason
    pytest.skip(f"no real vLLM: {reason}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print, without being asked for, that nothing ran against a real vLLM."""
    if reason := config.stash.get(skip_reason, ""):
        terminalreporter.section("REAL vLLM NOT TESTED", yellow=True)
        terminalreporter.line(reason)
