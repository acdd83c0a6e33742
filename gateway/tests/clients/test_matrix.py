"""Nine clients that people use, unchanged but for their base URL: each does what its users ask of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
import pytest

from gateway.tests.clients.cells import BUSY_TOKENS, Cell, Target
from gateway.tests.clients.install import Interpreters, install_clients
from gateway.tests.clients.matrix import CLIENTS, Client, Outcome, run_client
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.needs import NeedMissing, skip_loudly
from gateway.tests.people import admin_pages, register
from modelops.simulator.process import start_simulator

pytestmark = pytest.mark.clients

AT_A_TIME = 2
"""Programs. Most of their time goes into importing their libraries."""
SCOPES = ["chat", "embeddings", "history", "models:read"]


@dataclass(frozen=True)
class Row:
    outcomes: dict[Cell, Outcome]
    was_refused_for_being_busy: bool


@pytest.fixture(scope="module")
def interpreters() -> Interpreters:
    try:
        return install_clients()
    except NeedMissing as exc:
        skip_loudly("with clients", exc)


@pytest.fixture(scope="module")
def engine_url() -> Iterator[str]:
    """A simulated engine started as a profile with a parser of tool calls starts it."""
    tools = ("--enable-auto-tool-choice", "--tool-call-parser", "hermes")
    pace = ("--max-model-len", "4096", "--sim-tokens-per-second", "200")
    with start_simulator("--served-model-name", "simulated", *tools, *pace) as engine:
        yield engine.base_url


@pytest.fixture(scope="module")
def gateway(
    embedded_stores: Stores, tmp_path_factory: pytest.TempPathFactory, engine_url: str
) -> Iterator[GatewayProcess]:
    """One that lets `demo` have any number of answers generated at a time, and everybody else one."""
    settings = {"REGISTRATION": "true", "MAX_CONCURRENT_STREAMS": "1"}
    folder = tmp_path_factory.mktemp("clients")
    with start_gateway(embedded_stores, folder, engine_url, **settings) as process:
        with process.client() as demo, admin_pages(process) as pages:
            me = demo.get("/api/auth/me").json()
            pages.set_limit(subject="user", user=me["id"], kind="streams", value=0)
            wait_until(lambda: are_two_answered(demo), what="the limit to be lifted")
        yield process


def are_two_answered(client: httpx.Client) -> bool:
    """At a time: a limit that was changed counts within seconds."""
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": BUSY_TOKENS}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/chat/completions", json=body), range(2)))
    return all(answer.is_success for answer in answers)


@pytest.fixture(scope="module")
def matrix(gateway: GatewayProcess, interpreters: Interpreters) -> dict[str, Row]:
    """Every client's row, by its program."""
    key = issue_key(gateway, gateway.token())

    def fill_row(client: Client) -> Row:
        busy = register(gateway)
        target = Target(
            url=gateway.url,
            key=key,
            busy_key=issue_key(gateway, busy.token),
            model="current",
            embedding_model="current",
            cells=client.cells,
        )
        outcomes = run_client(client, target, interpreters)
        refusals = [
            line
            for line in gateway.log_events("request")
            if line.get("user_id") == busy.id and line["status"] == 429
        ]
        return Row(outcomes, bool(refusals))

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        return dict(zip([client.program for client in CLIENTS], pool.map(fill_row, CLIENTS), strict=True))


def issue_key(gateway: GatewayProcess, token: str) -> str:
    answer = httpx.post(
        f"{gateway.url}/api/keys",
        json={"name": "client", "scopes": SCOPES},
        headers={"Authorization": f"Bearer {token}"},
    )
    return str(answer.raise_for_status().json()["key"])


@pytest.mark.parametrize(
    ("program", "cell"), [(client.program, cell) for client in CLIENTS for cell in client.cells]
)
def test_client_does_it(matrix: dict[str, Row], program: str, cell: Cell) -> None:
    detail = matrix[program].outcomes[cell].detail

    assert not detail, detail


@pytest.mark.parametrize("program", [client.program for client in CLIENTS])
def test_client_was_refused_before_its_retry_succeeded(matrix: dict[str, Row], program: str) -> None:
    assert matrix[program].was_refused_for_being_busy
