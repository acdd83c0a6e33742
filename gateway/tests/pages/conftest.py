"""Fixtures of the tests of pages: one Chromium, a gateway with a simulated engine, and somebody at it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway
from gateway.tests.pages.browsers import Visitor, running_chromium, visiting
from gateway.tests.pages.speaking_engine import SpeakingEngine, start_speaking_engine

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Not for the whole run: while Playwright is open its event loop runs, and Django then reads no rows."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, simulator: str
) -> Iterator[GatewayProcess]:
    """A gateway of this module's own."""
    with start_gateway(embedded_stores, tmp_path_factory.mktemp("site"), simulator) as gateway:
        yield gateway


@pytest.fixture
def visitor(chromium: Browser, site: GatewayProcess) -> Iterator[Visitor]:
    """Somebody at a desktop who reads English and is not signed in."""
    with visiting(chromium, site.url) as visitor:
        yield visitor


@pytest.fixture(scope="module")
def speaker() -> Iterator[SpeakingEngine]:
    """An engine that says what the test has it say."""
    with start_speaking_engine() as engine:
        yield engine


@pytest.fixture(scope="module")
def speaking_site(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, speaker: SpeakingEngine
) -> Iterator[GatewayProcess]:
    """A gateway of this module's own in front of it."""
    with start_gateway(embedded_stores, tmp_path_factory.mktemp("speaking"), speaker.url) as gateway:
        yield gateway


@pytest.fixture
def listener(chromium: Browser, speaking_site: GatewayProcess) -> Iterator[Visitor]:
    """Somebody who is signed in at the chat page of that gateway."""
    with visiting(chromium, speaking_site.url) as visitor:
        visitor.sign_in()
        yield visitor
