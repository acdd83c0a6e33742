"""The running gateway keeps to its OpenAPI document, whatever is sent: generated cases, by schemathesis.

Every operation, with no credential and with each kind of credential, with data that fits the schema and data
that does not: never a 5xx of our own making, and every answer is one that the document has. Short of the full
budget each operation has one of the credentials, another one for each kind of data and on each store.
GATEWAY_TEST_SCHEMA_CASES sets how many cases are sent at least; the default is a small sample for every run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import hypothesis
import pytest
import requests
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.scopes import Scope
from gateway.tests.budgets import examples, has_full_budget
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.people import AdminPages
from gateway.tests.plugin import is_on_services
from modelops.simulator.process import start_simulator

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# OpenAPI 3.1 has no words for the events of a stream.
STREAM_CHECKS = [check for check in CHECKS if check is not response_schema_conformance]
ROLES = ("nobody", "user", "admin", "key", "cookie")
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
DEFAULT_CASES = examples(600)
NO_WRONG_DATA = frozenset({"GET /api/models/status"})
"""Operations that take nothing have no data that would not fit."""


def load_schema() -> Any:
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    config = schemathesis.Config()
    # Bodies that cannot be had by breaking the schema are no failure of ours.
    return schemathesis.openapi.from_dict(document, config=config)


OPERATIONS = {result.ok().label: result.ok() for result in load_schema().get_all_operations()}


def roles_of(number: int) -> Sequence[str]:
    """Who calls an operation, by its number and that of the mode: everybody, or one in turn."""
    return ROLES if has_full_budget() else (ROLES[(number + is_on_services()) % len(ROLES)],)


RUNS = [
    pytest.param(label, role, mode, id=f"{label}-{role}-{mode.value}")
    # What takes a body comes last: it has cases without end, to make up for what takes next to nothing.
    for number, label in enumerate(sorted(OPERATIONS, key=lambda label: len(OPERATIONS[label].body)))
    for turn, mode in enumerate(MODES)
    for role in roles_of(number + 2 * turn)
    if not (mode is GenerationMode.NEGATIVE and label in NO_WRONG_DATA)
]


@dataclass
class Budget:
    """How many cases are to be sent, over how many runs, and how many were."""

    cases: int
    runs_left: int
    sent: int = 0

    def take_share(self) -> int:
        """The number of cases of the next run."""
        share = max(1, -(-(self.cases - self.sent) // self.runs_left))
        self.runs_left -= 1
        return share


@pytest.fixture(scope="module")
def budget(request: pytest.FixtureRequest) -> Iterator[Budget]:
    cases = int(os.environ.get("GATEWAY_TEST_SCHEMA_CASES", DEFAULT_CASES))
    ours = [item for item in request.session.items if item.path == request.path]
    runs = sum("mode" in item.callspec.params for item in ours if hasattr(item, "callspec"))
    budget = Budget(cases, runs_left=runs)
    yield budget
    print(f"\nschemathesis: {budget.sent} cases over {len(OPERATIONS)} operations in {runs} runs")


@pytest.fixture(scope="module")
def fuzzed(stores: Stores, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with the seeded profiles, in front of a hasty simulated engine, and without limits."""
    unlimited = {
        **{"REST_RATE": "0/m", "ADDRESS_RATE": "0/m", "LOGIN_RATE": "100000/m"},
        **{"MAX_CONCURRENT_STREAMS": "0", "PING_INTERVAL": "0.1"},
    }
    hasty = ("--sim-tokens-per-second", "100000", "--sim-first-token-seconds", "0", "--max-model-len", "512")
    with (
        start_simulator("--served-model-name", "simulated", *hasty) as engine,
        start_gateway(stores, tmp_path_factory.mktemp("fuzzed"), engine.base_url, **unlimited) as gateway,
    ):
        gateway.manage("load_profiles")
        wait_until(
            lambda: (
                requests.get(f"{gateway.url}/health", timeout=5).json()["services"]["vllm"]["status"]
                == "ready"
            ),
            what="the engine to be seen",
        )
        yield gateway


@pytest.fixture(scope="module")
def own_ids(fuzzed: GatewayProcess) -> dict[str, dict[str, str]]:
    """Ids of objects that each role owns: made-up ones alone would never get past the look-up."""
    owned: dict[str, dict[str, str]] = {}
    for username in ("demo", "admin"):
        with fuzzed.client(username) as client:
            chat = client.post("/api/chat", json={"content": "hello"}).json()
            key = client.post("/api/keys", json={"name": "own", "scopes": ["chat"]}).json()
        owned[username] = {n: chat[n] for n in ("conversation_id", "message_id")} | {"key_id": key["id"]}
    own, admins = owned["demo"], owned["admin"]
    return {"nobody": {}, "user": own, "key": own, "admin": admins, "cookie": admins}


@pytest.fixture(scope="module")
def credentials(fuzzed: GatewayProcess) -> dict[str, dict[str, str]]:
    """What each role sends with every request."""
    tokens = {"user": fuzzed.token("demo"), "admin": fuzzed.token("admin")}
    with fuzzed.client("demo") as client:
        body = {"name": "fuzz", "scopes": list(Scope)}
        tokens["key"] = client.post("/api/keys", json=body).raise_for_status().json()["key"]
    bearers = {role: {"Authorization": f"Bearer {token}"} for role, token in tokens.items()}
    with httpx.Client(base_url=fuzzed.url) as browser:
        AdminPages(browser).log_in()
        cookies = dict(browser.cookies)
    pairs = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return {"nobody": {}, "cookie": {"Cookie": pairs, "X-CSRFToken": cookies["csrftoken"]}, **bearers}


@pytest.mark.parametrize(("label", "role", "mode"), RUNS)
def test_every_answer_is_in_the_schema_and_none_is_a_failure_of_ours(
    fuzzed: GatewayProcess,
    own_ids: dict[str, dict[str, str]],
    credentials: dict[str, dict[str, str]],
    budget: Budget,
    label: str,
    role: str,
    mode: GenerationMode,
) -> None:
    @hypothesis.seed(1)
    @hypothesis.settings(
        max_examples=budget.take_share(),
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(case=cases(label, mode), is_own=st.booleans())
    def send(case: Any, is_own: bool) -> None:
        for name in set(case.path_parameters or ()) & set(own_ids[role]) if is_own else ():
            case.path_parameters[name] = own_ids[role][name]
        budget.sent += 1
        answer = ask(case, fuzzed.url, credentials[role])
        case.validate_response(answer, checks=STREAM_CHECKS if is_stream(answer) else CHECKS)

    send()

    # Whoever had a credential still has: else the cases after this would all be strangers'.
    status = requests.get(f"{fuzzed.url}/api/conversations", headers=credentials[role], timeout=5).status_code
    assert status == (401 if role == "nobody" else 200)


def test_no_fewer_cases_were_sent_than_asked_for(budget: Budget, fuzzed: GatewayProcess) -> None:
    """Runs last, where the cases above ran: says that they were not cut short."""
    assert budget.runs_left == 0
    assert budget.sent >= budget.cases


def cases(label: str, mode: GenerationMode) -> st.SearchStrategy[Any]:
    return OPERATIONS[label].as_strategy(generation_mode=mode)  # type: ignore[no-any-return]


def ask(case: Any, url: str, headers: dict[str, str]) -> requests.Response:
    """The answer; of a stream of events, which has no end, its beginning."""
    kwargs = case.as_transport_kwargs(base_url=url, headers=headers)
    kwargs.pop("cookies", None)
    answer = requests.request(**kwargs, stream=True, timeout=20)
    if is_stream(answer):
        answer._content = next(answer.iter_content(None), b"")
        answer.close()
    return answer


def is_stream(answer: requests.Response) -> bool:
    return answer.headers.get("content-type", "").startswith("text/event-stream")
