"""The gateway in front of a real vLLM: what it keeps, counts and frees."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from chat.tests.streams import error_of, read_stream
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until

from .engine import VllmEngine

pytestmark = pytest.mark.vllm

CHAT = "/v1/chat/completions"
HELLO: Any = {
    "model": "current",
    "messages": [{"role": "user", "content": "Hello"}],
    "max_tokens": 24,
    "seed": 7,
}


@pytest.fixture(scope="module")
def gateway(
    stores: Stores, tmp_path_factory: pytest.TempPathFactory, vllm_engine: VllmEngine
) -> Iterator[GatewayProcess]:
    with start_gateway(stores, tmp_path_factory.mktemp("real"), vllm_engine.base_url) as process:
        yield process


@pytest.fixture
def client(gateway: GatewayProcess) -> Iterator[httpx.Client]:
    with gateway.client() as session:
        session.timeout = httpx.Timeout(120)
        yield session


@pytest.fixture
def sdk(gateway: GatewayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.token(), max_retries=0) as session:
        yield session


def branch_of(client: httpx.Client, conversation_id: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = client.get(f"/api/conversations/{conversation_id}").json()["messages"]
    return messages


def next_event(lines: Iterator[str]) -> dict[str, Any]:
    """The next event with data. Ids and comments may stand before it."""
    event: dict[str, Any] = json.loads(next(line for line in lines if line.startswith("data: "))[6:])
    return event


def is_idle(engine: VllmEngine) -> bool:
    metrics = httpx.get(f"{engine.base_url}/metrics", timeout=30).text.splitlines()
    return all(line.endswith(" 0.0") for line in metrics if line.startswith("vllm:num_requests_running"))


@pytest.mark.parametrize("seed", range(5))
def test_the_streamed_text_is_the_stored_text_and_usage_is_vllms(client: httpx.Client, seed: int) -> None:
    body = {"content": "Tell me about licences", "max_tokens": 64, "seed": seed}

    reply = read_stream(client, "/api/chat", body)

    _asked, stored = branch_of(client, reply.headers["x-conversation-id"])
    assert reply.is_done
    assert reply.errors == []
    assert stored["status"] == "complete"
    assert stored["content"] == reply.text != ""
    assert stored["usage"] == {name: (reply.usage or {})[name] for name in stored["usage"]}
    assert stored["usage"]["completion_tokens"] <= 64
    assert stored["usage_source"] == "engine"


def test_plain_and_streamed_answers_are_alike(client: httpx.Client) -> None:
    body = {"content": "The same twice", "max_tokens": 32, "seed": 11, "temperature": 0.7, "top_p": 0.9}

    plain = client.post("/api/chat", json=body).json()
    streamed = read_stream(client, "/api/chat", body)

    assert plain["message"]["content"] == streamed.text
    assert plain["usage"]["completion_tokens"] == (streamed.usage or {})["completion_tokens"]


def test_v1_gives_what_vllm_gives(client: httpx.Client, vllm_engine: VllmEngine) -> None:
    theirs = httpx.post(
        vllm_engine.base_url + CHAT, json=HELLO | {"model": vllm_engine.served_model_name}, timeout=120
    ).json()

    ours = client.post(CHAT, json=HELLO).json()

    volatile = {"id", "created"}
    assert {k: v for k, v in ours.items() if k not in volatile} == {
        k: v for k, v in theirs.items() if k not in volatile
    }


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_beyond_the_context_is_refused_by_name(client: httpx.Client, stream: bool) -> None:
    text = "licence " * 3000

    stored = client.post("/api/chat", json={"content": text, "stream": stream})
    openai_like = client.post(CHAT, json={"messages": [{"role": "user", "content": text}], "stream": stream})
    too_many_tokens = client.post(CHAT, json=HELLO | {"max_tokens": 100_000, "stream": stream})

    for answer in (stored, openai_like, too_many_tokens):
        assert answer.status_code == 400
        assert error_of(answer)["code"] == "context_length_exceeded"


def test_vllms_refusals_keep_their_words(client: httpx.Client) -> None:
    answer = client.post(CHAT, json=HELLO | {"top_p": 2})

    assert answer.status_code == 400
    assert (error_of(answer)["code"], error_of(answer)["param"]) == ("invalid_request", "top_p")
    assert "top_p" in error_of(answer)["message"]


def test_an_error_that_vllm_reports_in_the_stream_is_not_taken_for_success(client: httpx.Client) -> None:
    bad_grammar = {"structured_outputs": {"grammar": "root ::= ("}}

    answer = client.post(CHAT, json=HELLO | bad_grammar | {"stream": True})

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "invalid_request"


@pytest.mark.parametrize("stream", [False, True])
def test_vllm_is_free_soon_after_a_v1_client_left(
    client: httpx.Client, vllm_engine: VllmEngine, stream: bool
) -> None:
    endless = {"messages": HELLO["messages"], "ignore_eos": True, "stream": stream}
    if stream:
        with client.stream("POST", CHAT, json=endless) as response:
            assert next_event(response.iter_lines())
    else:
        with pytest.raises(httpx.ReadTimeout):
            client.post(CHAT, json=endless, timeout=0.4)

    wait_until(lambda: is_idle(vllm_engine), timeout_s=2, what="vLLM to be free")


def test_a_stored_answer_is_complete_after_its_client_left(client: httpx.Client) -> None:
    body = {"content": "A long one", "max_tokens": 300, "seed": 3, "stream": True}
    with client.stream("POST", "/api/chat", json=body) as response:
        assert next_event(response.iter_lines())
    conversation = response.headers["x-conversation-id"]

    def finished() -> dict[str, Any] | None:
        answer = branch_of(client, conversation)[1]
        return None if answer["status"] == "streaming" else answer

    answer = wait_until(finished, timeout_s=60, what="the answer to be finished")
    assert answer["status"] == "complete"
    assert answer["finish_reason"] in {"length", "stop"}
    assert answer["usage_source"] == "engine"


def test_the_stop_button_frees_vllm(client: httpx.Client, vllm_engine: VllmEngine) -> None:
    body = {"content": "Never ending", "stream": True}
    with client.stream("POST", "/api/chat", json=body) as response:
        lines = response.iter_lines()
        first = next_event(lines)
        stopped = client.post(
            f"/api/conversations/{first['conversation_id']}/messages/{first['message_id']}/cancel"
        )
        rest = [line for line in lines if line]

    assert stopped.status_code == 202
    assert rest[-1] == "data: [DONE]"
    wait_until(lambda: is_idle(vllm_engine), timeout_s=2, what="vLLM to be free")
    assert branch_of(client, first["conversation_id"])[1]["status"] in {"cancelled", "complete"}


def test_openai_python_works_unchanged(sdk: openai.OpenAI) -> None:
    assert [model.id for model in sdk.models.list()] == ["tiny", "current"]
    plain = sdk.chat.completions.create(**HELLO)
    bare = list(sdk.chat.completions.create(**HELLO, stream=True))
    counted = list(sdk.chat.completions.create(**HELLO, stream=True, stream_options={"include_usage": True}))

    text = "".join(chunk.choices[0].delta.content or "" for chunk in bare)
    assert text == plain.choices[0].message.content
    assert all(chunk.usage is None for chunk in bare)
    assert counted[-1].usage is not None
    assert plain.usage is not None
    assert counted[-1].usage.completion_tokens == plain.usage.completion_tokens


def test_openai_python_sees_typed_errors(sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as too_long:
        sdk.chat.completions.create(
            model="current", messages=[{"role": "user", "content": "licence " * 3000}]
        )
    with pytest.raises(openai.NotFoundError) as unknown:
        sdk.chat.completions.create(**HELLO | {"model": "gpt-9"})

    assert too_long.value.code == "context_length_exceeded"
    assert unknown.value.code == "model_not_found"


def test_openai_python_frees_vllm_by_closing_early(sdk: openai.OpenAI, vllm_engine: VllmEngine) -> None:
    endless: Any = {"model": "current", "messages": HELLO["messages"], "extra_body": {"ignore_eos": True}}
    with sdk.chat.completions.create(**endless, stream=True) as stream:
        next(iter(stream))

    wait_until(lambda: is_idle(vllm_engine), timeout_s=2, what="vLLM to be free")


@pytest.mark.parametrize("is_stream", [False, True], ids=["plain", "stream"])
def test_answer_that_was_cut_goes_on_from_its_last_token(client: httpx.Client, is_stream: bool) -> None:
    ask = {"content": "Tell me about licences", "temperature": 0}
    whole = client.post("/api/chat", json=ask | {"max_tokens": 24}).json()
    cut = client.post("/api/chat", json=ask | {"max_tokens": 8}).json()
    path = f"/api/conversations/{cut['conversation_id']}/messages/{cut['message_id']}/continue"

    body = {"max_tokens": 16, "temperature": 0}
    if is_stream:
        added = read_stream(client, path, body).text
    else:
        answer = client.post(path, json=body).json()["message"]["content"]
        added = answer.removeprefix(cut["message"]["content"])

    _asked, stored = branch_of(client, cut["conversation_id"])
    assert added != ""
    assert stored["content"] == cut["message"]["content"] + added
    assert (stored["status"], stored["reasoning"]) == ("complete", "")
    # The prompt of the continuation holds the answer's first tokens, and no end of a message after them.
    prompt_tokens = stored["usage"]["prompt_tokens"] - cut["usage"]["prompt_tokens"]
    assert abs(prompt_tokens - cut["usage"]["prompt_tokens"] - 8) <= 4
    assert stored["usage"]["completion_tokens"] <= whole["usage"]["completion_tokens"]


def test_conversation_outgrows_the_context_and_the_prompt_fits_as_vllm_counts_it(
    client: httpx.Client, vllm_engine: VllmEngine
) -> None:
    place: dict[str, Any] = {"truncation": "oldest", "max_tokens": 40}
    omitted = []
    for number in range(8):
        content = f"{number}: " + "A licence is a permission, 그리고 허락입니다. " * 8
        answer = client.post("/api/chat", json=place | {"content": content})
        assert answer.status_code == 200, answer.text
        place["conversation_id"] = answer.json()["conversation_id"]
        omitted.append(answer.json()["omitted_messages"])
        assert answer.json()["usage"]["prompt_tokens"] <= vllm_engine.max_model_len - 40

    refused = client.post("/api/chat", json=place | {"content": "And?", "truncation": "error"})
    assert omitted == sorted(omitted)
    assert omitted[-1] > 0
    assert error_of(refused)["code"] == "context_length_exceeded"
