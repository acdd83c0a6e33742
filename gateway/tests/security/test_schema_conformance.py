"""The running gateway keeps to its OpenAPI document, whatever is sent: generated cases, by schemathesis.

Every operation, with no credential, as a user and as an administrator, with data that fits the schema and
data that does not: never a 5xx of our own making, and every answer is one that the document has.
GATEWAY_TEST_SCHEMA_CASES sets how many cases are sent; the default is a small sample for every run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

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

from gateway.tests.live import GatewayProcess, start_gateway, wait_until
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
ROLES: dict[str, str | None] = {"nobody": None, "user": "demo", "admin": "admin"}
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
DEFAULT_CASES = 400


def load_schema() -> Any:
    document = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    config = schemathesis.Config()
    # Bodies that cannot be had by breaking the schema are no failure of ours.
    return schemathesis.openapi.from_dict(document, config=config)


OPERATIONS = {result.ok().label: result.ok() for result in load_schema().get_all_operations()}
CASES = int(os.environ.get("GATEWAY_TEST_SCHEMA_CASES", DEFAULT_CASES))
EACH = max(1, -(-CASES // (len(OPERATIONS) * len(ROLES) * len(MODES))))


@pytest.fixture(scope="module")
def count() -> Iterator[Callable[[], None]]:
    sent = 0

    def one_more() -> None:
        nonlocal sent
        sent += 1

    yield one_more
    print(f"\nschemathesis: {sent} cases over {len(OPERATIONS)} operations")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with the seeded profiles, in front of a hasty simulated engine, and without limits."""
    unlimited = {
        **{"REST_RATE": "0/m", "ADDRESS_RATE": "0/m", "LOGIN_RATE": "100000/m"},
        **{"MAX_CONCURRENT_STREAMS": "0", "PING_INTERVAL": "0.1"},
    }
    hasty = ("--sim-tokens-per-second", "100000", "--sim-first-token-seconds", "0", "--max-model-len", "512")
    with (
        start_simulator("--served-model-name", "simulated", *hasty) as engine,
        start_gateway(tmp_path_factory.mktemp("fuzzed"), engine.base_url, **unlimited) as gateway,
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
    owned: dict[str, dict[str, str]] = {"nobody": {}}
    for role in ("user", "admin"):
        with fuzzed.client(ROLES[role] or "") as client:
            chat = client.post("/api/chat", json={"content": "hello"}).json()
            key = client.post("/api/keys", json={"name": "own", "scopes": ["chat"]}).json()
        owned[role] = {name: chat[name] for name in ("conversation_id", "message_id")} | {"key_id": key["id"]}
    return owned


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("label", OPERATIONS)
def test_every_answer_is_in_the_schema_and_none_is_a_failure_of_ours(
    fuzzed: GatewayProcess,
    own_ids: dict[str, dict[str, str]],
    count: Callable[[], None],
    label: str,
    role: str,
) -> None:
    user = ROLES[role]
    headers = {"Authorization": f"Bearer {fuzzed.token(user)}"} if user else {}

    for mode in MODES:

        @hypothesis.seed(1)
        @hypothesis.settings(
            max_examples=EACH,
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        )
        @hypothesis.given(case=cases(label, mode), is_own=st.booleans())
        def send(case: Any, is_own: bool) -> None:
            for name in set(case.path_parameters or ()) & set(own_ids[role]) if is_own else ():
                case.path_parameters[name] = own_ids[role][name]
            count()
            answer = ask(case, fuzzed.url, headers)
            case.validate_response(answer, checks=STREAM_CHECKS if is_stream(answer) else CHECKS)

        # An operation that takes nothing has no data that would not fit.
        with contextlib.suppress(hypothesis.errors.Unsatisfiable):
            send()


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
