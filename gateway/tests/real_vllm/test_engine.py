"""What the gateway relies on in vLLM's HTTP interface, asked of a real vLLM."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from modelops.domain.tasks import TASK_PATHS, ModelTask, read_tasks

from .engine import VllmEngine

pytestmark = pytest.mark.vllm

CHAT = "/v1/chat/completions"
RUNNING = "vllm:num_requests_running"
GENERATED = "vllm:generation_tokens_total"

Json = dict[str, Any]


def chat_body(**fields: object) -> Json:
    """Return a chat request that runs to its `max_tokens`, with `fields` on top."""
    messages = [{"role": "user", "content": "Hello there"}]
    return {"model": "tiny", "messages": messages, "max_tokens": 12, "ignore_eos": True, "seed": 7} | fields


def stream_events(client: httpx.Client, **fields: object) -> list[str]:
    """Return the data of every server-sent event of one streamed chat."""
    with client.stream("POST", CHAT, json=chat_body(stream=True, **fields)) as response:
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        return [line.removeprefix("data: ") for line in response.iter_lines() if line]


def stream_chunks(client: httpx.Client, **fields: object) -> list[Json]:
    """Return the chunks of one streamed chat that ended properly, without its `[DONE]`."""
    *chunks, done = stream_events(client, **fields)
    assert done == "[DONE]"
    return [json.loads(chunk) for chunk in chunks]


def error_of(response: httpx.Response) -> Json:
    """Return the error object of a refused request."""
    error: Json = response.json()["error"]
    return error


def metric(client: httpx.Client, name: str) -> float:
    """Return one metric, summed over its labels."""
    lines = client.get("/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name}{{"))


def wait_until(condition: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
    """Return as soon as the condition holds; fail the test if it never does."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not reached within {timeout_s:.0f} s")
        time.sleep(0.01)


def test_model_list_names_the_served_model_and_its_context(
    vllm_engine: VllmEngine, vllm_client: httpx.Client
) -> None:
    [model] = vllm_client.get("/v1/models").json()["data"]

    assert model["id"] == vllm_engine.served_model_name
    assert model["max_model_len"] == vllm_engine.max_model_len


def test_tokenize_counts_the_prompt_that_a_chat_is_charged_for(vllm_client: httpx.Client) -> None:
    body = chat_body(max_tokens=1)

    counted = vllm_client.post("/tokenize", json={"model": "tiny", "messages": body["messages"]}).json()
    charged = vllm_client.post(CHAT, json=body).json()["usage"]

    assert counted["count"] == charged["prompt_tokens"] > 0


def test_chat_answer_has_text_a_finish_reason_and_usage(vllm_client: httpx.Client) -> None:
    answer = vllm_client.post(CHAT, json=chat_body(max_tokens=12)).json()

    [choice] = answer["choices"]
    usage = answer["usage"]
    assert answer["object"] == "chat.completion"
    assert choice["message"]["role"] == "assistant"
    assert choice["message"]["content"]
    assert choice["finish_reason"] == "length"
    assert usage["completion_tokens"] == 12
    assert usage["total_tokens"] == usage["prompt_tokens"] + 12


def test_stream_starts_with_the_role_and_ends_with_a_finish_reason(vllm_client: httpx.Client) -> None:
    chunks = stream_chunks(vllm_client)

    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["choices"][0]["finish_reason"] == "length"
    assert all("usage" not in chunk for chunk in chunks)


def test_streamed_text_is_the_text_of_the_whole_answer(vllm_client: httpx.Client) -> None:
    chunks = stream_chunks(vllm_client, max_tokens=200)
    answer = vllm_client.post(CHAT, json=chat_body(max_tokens=200)).json()

    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
    assert text == answer["choices"][0]["message"]["content"]


def test_include_usage_adds_one_chunk_without_choices(vllm_client: httpx.Client) -> None:
    *chunks, last = stream_chunks(vllm_client, stream_options={"include_usage": True})

    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == 12
    assert all("usage" not in chunk for chunk in chunks)


def test_continuous_usage_counts_up_on_every_chunk(vllm_client: httpx.Client) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}

    chunks = stream_chunks(vllm_client, stream_options=options)

    counts = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert counts[0] == 0
    assert counts == sorted(counts)
    assert counts[-1] == 12


def test_two_choices_share_one_usage(vllm_client: httpx.Client) -> None:
    *chunks, last = stream_chunks(vllm_client, n=2, stream_options={"include_usage": True})

    assert {choice["index"] for chunk in chunks for choice in chunk["choices"]} == {0, 1}
    assert last["usage"]["completion_tokens"] == 2 * 12


@pytest.mark.parametrize("stream", [False, True])
def test_prompt_beyond_the_context_is_refused_before_a_stream_starts(
    vllm_client: httpx.Client, stream: bool
) -> None:
    messages = [{"role": "user", "content": "alpha beta gamma " * 600}]

    response = vllm_client.post(CHAT, json=chat_body(messages=messages, stream=stream))

    error = error_of(response)
    assert response.status_code == error["code"] == 400
    assert error["param"] == "input_tokens"
    assert "This model's maximum context length is 1024 tokens" in error["message"]


def test_max_tokens_beyond_the_context_is_refused(vllm_client: httpx.Client) -> None:
    response = vllm_client.post(CHAT, json=chat_body(max_tokens=5000))

    error = error_of(response)
    assert response.status_code == error["code"] == 400
    assert error["param"] == "max_tokens"
    assert "max_tokens=5000 cannot be greater than max_model_len=1024" in error["message"]


def test_max_tokens_that_only_the_prompt_pushes_over_is_cut_to_fit(vllm_client: httpx.Client) -> None:
    answer = vllm_client.post(CHAT, json=chat_body(max_tokens=1024)).json()

    assert answer["usage"]["total_tokens"] == 1024
    assert answer["choices"][0]["finish_reason"] == "length"


def test_unknown_model_is_not_found(vllm_client: httpx.Client) -> None:
    response = vllm_client.post(CHAT, json=chat_body(model="nope"))

    assert response.status_code == 404
    assert error_of(response)["type"] == "NotFoundError"


def test_unknown_path_carries_no_error_object(vllm_client: httpx.Client) -> None:
    response = vllm_client.post("/v1/embeddings", json={"model": "tiny", "input": "x"})

    assert response.status_code == 404
    assert response.json() == {"detail": "Not Found"}


def test_tasks_of_the_model_are_told_by_its_paths(vllm_client: httpx.Client) -> None:
    statuses = {task: vllm_client.get(path).status_code for task, path in TASK_PATHS.items()}

    assert read_tasks(statuses) == (ModelTask.GENERATE,)


def test_error_inside_a_stream_comes_under_status_200(vllm_client: httpx.Client) -> None:
    event, done = stream_events(vllm_client, structured_outputs={"regex": "(("})

    assert json.loads(event)["error"]["code"] == 400
    assert done == "[DONE]"


def test_client_that_leaves_frees_its_request(vllm_client: httpx.Client) -> None:
    generated_before = metric(vllm_client, GENERATED)
    # Several choices: one may be over before anybody looked.
    body = chat_body(stream=True, max_tokens=1000, n=16)

    with vllm_client.stream("POST", CHAT, json=body) as response:
        next(response.iter_lines())
        wait_until(lambda: metric(vllm_client, RUNNING) > 0)
    wait_until(lambda: metric(vllm_client, RUNNING) == 0)

    assert metric(vllm_client, GENERATED) - generated_before < 16 * 1000
