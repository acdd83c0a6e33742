"""Unbounded use and names that are no models: refused before the engine hears of the request."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from chat.caps import apply_caps
from chat.field_caps import GENERATION_CAPS
from chat.prompt_cache import salt_fields
from chat.tests.scripted_engine import ScriptedEngine, delta_event
from chat.tests.streams import error_of, read_stream
from gateway.conf_requests import RequestConfig
from gateway.ids import new_id
from gateway.tests.live import GatewayProcess
from gateway.tests.security.conftest import DONE

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

VERY_DEEP: list[Any] = []
for _level in range(16):
    VERY_DEEP = [VERY_DEEP]

TOO_MUCH: list[tuple[str, dict[str, Any], str]] = [
    ("/v1/chat/completions", {"n": 5}, "n"),
    ("/v1/chat/completions", {"n": "5"}, "n"),
    ("/v1/chat/completions", {"n": 5.0}, "n"),
    ("/v1/chat/completions", {"n": 10**30}, "n"),
    ("/v1/chat/completions", {"best_of": 5}, "best_of"),
    ("/v1/chat/completions", {"max_tokens": 1001}, "max_tokens"),
    ("/v1/chat/completions", {"max_tokens": "1001"}, "max_tokens"),
    ("/v1/chat/completions", {"max_tokens": "1_001.0"}, "max_tokens"),
    ("/v1/chat/completions", {"max_tokens": 1001.0}, "max_tokens"),
    ("/v1/chat/completions", {"max_tokens": 1e300}, "max_tokens"),
    ("/v1/chat/completions", {"max_tokens": "many"}, "max_tokens"),
    ("/v1/chat/completions", {"max_tokens": 10.5}, "max_tokens"),
    ("/v1/chat/completions", {"max_completion_tokens": 1001}, "max_completion_tokens"),
    ("/v1/chat/completions", {"max_output_tokens": 1001}, "max_output_tokens"),
    ("/v1/chat/completions", {"stop": ["a"] * 5}, "stop"),
    ("/v1/chat/completions", {"stop": "a" * 1001}, "stop"),
    ("/v1/chat/completions", {"stop": ["a", "a" * 1001]}, "stop"),
    ("/v1/chat/completions", {"bad_words": ["a"] * 5}, "bad_words"),
    ("/v1/chat/completions", {"bad_words": ["a" * 1001]}, "bad_words"),
    ("/v1/chat/completions", {"stop_token_ids": [1] * 5}, "stop_token_ids"),
    ("/v1/chat/completions", {"logprob_token_ids": [1] * 5}, "logprob_token_ids"),
    ("/v1/chat/completions", {"tools": [TOOL] * 5}, "tools"),
    ("/v1/chat/completions", {"functions": [{"name": "f"}] * 5}, "functions"),
    ("/v1/chat/completions", {"vllm_xargs": {f"a{n}": 1 for n in range(65)}}, "vllm_xargs"),
    ("/v1/chat/completions", {"vllm_xargs": {"a": "x" * 10_000}}, "vllm_xargs"),
    ("/v1/chat/completions", {"vllm_xargs": {"x" * 10_000: 1}}, "vllm_xargs"),
    ("/v1/chat/completions", {"vllm_xargs": [["a", 1]]}, "vllm_xargs"),
    ("/v1/chat/completions", {"vllm_xargs": {"a": [10**30]}}, "vllm_xargs"),
    ("/v1/chat/completions", {"chat_template_kwargs": {"a": VERY_DEEP}}, "chat_template_kwargs"),
    ("/v1/chat/completions", {"logprobs": True, "top_logprobs": 6}, "top_logprobs"),
    ("/v1/chat/completions", {"logprobs": True, "top_logprobs": -1}, "top_logprobs"),
    ("/v1/chat/completions", {"prompt_logprobs": -1}, "prompt_logprobs"),
    ("/v1/completions", {"prompt": "a", "logprobs": 6}, "logprobs"),
    ("/v1/completions", {"prompt": ["a"] * 5}, "prompt"),
    ("/v1/completions", {"prompt": [[1, 2]] * 5}, "prompt"),
    ("/v1/completions", {"prompt": ["a", "b"], "n": 3}, "n"),
    ("/v1/completions", {"prompt": "a", "best_of": 5}, "best_of"),
]


@pytest.mark.parametrize(("path", "fields", "param"), TOO_MUCH)
def test_what_asks_too_much_is_refused_before_the_engine(
    web: httpx.Client, reached: list[object], path: str, fields: dict[str, Any], param: str
) -> None:
    body = fields if path == "/v1/completions" else {"messages": HELLO, **fields}

    answer = web.post(path, json=body)

    assert answer.status_code == 400
    assert error_of(answer)["param"] == param
    assert reached == []


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "hello", "max_tokens": 1001},
        {"content": "hello", "n": 2},
        {"content": "hello", "tools": [TOOL] * 5},
        {"content": "hello", "stop": ["a"] * 5},
        {"content": "hello", "stop": "a" * 1001},
        {"content": "hello", "stop": ["a" * 1001]},
    ],
)
def test_chat_asks_no_more_than_its_fields_allow(
    web: httpx.Client, reached: list[object], fields: dict[str, Any]
) -> None:
    assert web.post("/api/chat", json=fields).status_code == 400
    assert reached == []


def test_request_at_its_bounds_passes_unchanged(web: httpx.Client, recording_engine: ScriptedEngine) -> None:
    fields: dict[str, Any] = {
        **{"n": 4, "max_tokens": 1000, "top_logprobs": 5},
        **{"stop": ["a" * 1000] * 4, "stop_token_ids": [1] * 4, "tools": [TOOL] * 4},
        "vllm_xargs": {"text": "x" * 2000, "number": 0.5, "yes": True, "nothing": None, "many": [1, "a"]},
        "chat_template_kwargs": {"enable_thinking": False, "persona": {"names": ["Ada", {"of": [1]}]}},
    }
    recording_engine.received.clear()

    answer = web.post("/v1/chat/completions", json={"messages": HELLO, "logprobs": True, **fields})

    assert answer.status_code == 200
    assert recording_engine.received[0].items() >= fields.items()


def test_numbers_pass_as_the_engine_reads_them(web: httpx.Client, recording_engine: ScriptedEngine) -> None:
    fields = {"max_tokens": "512", "min_tokens": 2.0, "n": " 3.0 ", "top_logprobs": "5", "logprobs": "true"}
    recording_engine.received.clear()

    answer = web.post("/v1/chat/completions", json={"messages": HELLO, **fields})

    assert answer.status_code == 200
    seen = recording_engine.received[0]
    assert [seen[name] for name in fields] == [512, 2, 3, 5, "true"]


def test_prompt_in_tokens_is_one_prompt_however_long(
    web: httpx.Client, recording_engine: ScriptedEngine
) -> None:
    recording_engine.received.clear()

    answer = web.post("/v1/completions", json={"prompt": list(range(50)), "n": 4})

    assert answer.status_code == 200
    assert recording_engine.received[0]["prompt"] == list(range(50))


REFUSED: list[tuple[str, Any]] = [
    ("kv_transfer_params", {"remote_host": "10.0.0.1"}),
    ("ec_transfer_params", {"remote_host": "10.0.0.1"}),
    ("logits_processors", ["os:system"]),
    ("priority", -1),
    ("chat_template", "{% for i in range(10**9) %}{% endfor %}"),
    ("prompt_embeds", "UEsDBBQAAAAI"),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_gateway_and_engine_settle_between_them_is_not_the_clients(
    web: httpx.Client, reached: list[object], name: str, value: object
) -> None:
    answer = web.post("/v1/chat/completions", json={"messages": HELLO, name: value})

    assert (answer.status_code, error_of(answer)["param"]) == (400, name)
    assert reached == []


@pytest.mark.parametrize("field", ["vllm_xargs", "chat_template_kwargs"])
@pytest.mark.parametrize("name", [*(name for name, _value in REFUSED), "tokenize"])
def test_what_is_refused_does_not_pass_as_an_argument(
    web: httpx.Client, reached: list[object], field: str, name: str
) -> None:
    """The engine looks there, too, for what it takes by these names."""
    answer = web.post("/v1/chat/completions", json={"messages": HELLO, field: {name: "small"}})

    assert (answer.status_code, error_of(answer)["param"]) == (400, field)
    assert reached == []


def test_what_is_refused_does_not_pass_deep_within_an_argument(
    web: httpx.Client, reached: list[object]
) -> None:
    arguments = {"a": [{"b": {"tokenize": True}}]}

    answer = web.post("/v1/chat/completions", json={"messages": HELLO, "chat_template_kwargs": arguments})

    assert (answer.status_code, error_of(answer)["param"]) == (400, "chat_template_kwargs")
    assert reached == []


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("path", ["/api/chat", "/v1/chat/completions"])
def test_answer_without_end_is_cut(
    web: httpx.Client, recording_engine: ScriptedEngine, path: str, is_stream: bool
) -> None:
    body: dict[str, Any] = {"content": "x", "store": False} if path == "/api/chat" else {"messages": HELLO}
    before, recording_engine.body = recording_engine.body, delta_event("x" * 1000) * 3000 + DONE
    try:
        if is_stream:
            reply = read_stream(web, path, body)
            assert (reply.errors[0]["code"], reply.is_done) == ("upstream_unavailable", True)
            assert len(reply.body) < 700_000
        else:
            assert error_of(web.post(path, json=body))["code"] == "upstream_unavailable"
    finally:
        recording_engine.body = before


NO_MODELS = [
    "../../etc/passwd",
    "/models/secret",
    "file:///etc/passwd",
    "--trust-remote-code",
    "-h",
    "scripted; rm -rf /",
    "$(id)",
    "`id`",
    "scripted\n--api-key=x",
    "/root/.cache/lora-adapter",
    "scripted:lora=/tmp/x",
    "SCRIPTED",
    "scripted ",
    "' OR 1=1 --",
    "x" * 150,
]


@pytest.mark.parametrize("name", NO_MODELS)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/api/chat"])
def test_only_known_names_are_models(web: httpx.Client, reached: list[object], path: str, name: str) -> None:
    answer = web.post(path, json={"messages": HELLO, "model": name})

    assert (answer.status_code, error_of(answer)["code"]) == (404, "model_not_found")
    assert reached == []


@pytest.mark.parametrize("name", ["../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "--help", "x" * 2000])
def test_model_card_is_found_by_known_names_only(web: httpx.Client, name: str) -> None:
    assert web.get(f"/v1/models/{name}").status_code == 404


def test_engine_gets_its_own_name_of_the_model(web: httpx.Client, recording_engine: ScriptedEngine) -> None:
    recording_engine.received.clear()

    web.post("/v1/chat/completions", json={"messages": HELLO, "model": "current"})

    assert recording_engine.received[0]["model"] == "scripted"


def salt_seen(client: httpx.Client, engine: ScriptedEngine, path: str, body: dict[str, Any]) -> str:
    engine.received.clear()
    assert client.post(path, json=body).status_code == 200
    salt: str = engine.received[0]["cache_salt"]
    return salt


def test_cached_prompts_are_each_users_own(fort: GatewayProcess, recording_engine: ScriptedEngine) -> None:
    openai, chat = {"messages": HELLO}, {"content": "hello", "store": False}

    with fort.client("demo") as demo, fort.client("admin") as admin:
        salts = [
            salt_seen(demo, recording_engine, "/v1/chat/completions", openai),
            salt_seen(demo, recording_engine, "/v1/completions", {"prompt": "hello"}),
            salt_seen(demo, recording_engine, "/api/chat", chat),
        ]
        other = salt_seen(admin, recording_engine, "/v1/chat/completions", openai)

    assert len(set(salts)) == 1
    assert other != salts[0]


def test_salt_of_a_client_is_replaced(fort: GatewayProcess, recording_engine: ScriptedEngine) -> None:
    with fort.client("demo") as demo, fort.client("admin") as admin:
        own = salt_seen(demo, recording_engine, "/v1/chat/completions", {"messages": HELLO})
        forged = {"messages": HELLO, "cache_salt": own}
        used = salt_seen(admin, recording_engine, "/v1/chat/completions", forged)

    assert used != own


def test_salt_is_a_keyed_hash_in_the_engines_alphabet() -> None:
    user_id = new_id()
    one = salt_fields(RequestConfig(), secret="a" * 40, user_id=user_id)["cache_salt"]
    with_another_key = salt_fields(RequestConfig(), secret="b" * 40, user_id=user_id)["cache_salt"]

    assert one != with_another_key
    assert str(user_id) not in one
    assert len(one) == 43
    assert not set(one) & set("@/\\\0")


def test_shared_cache_is_the_operators_choice() -> None:
    assert salt_fields(RequestConfig(prompt_cache="shared"), secret="a" * 40, user_id=new_id()) == {}


@pytest.mark.parametrize("name", ["request_id", "cache_salt"])
def test_what_the_gateway_gives_itself_is_not_taken_from_clients(name: str) -> None:
    """Also where the gateway gives none, as with a shared cache."""
    assert apply_caps({name: "mine", "model": "m"}, GENERATION_CAPS, RequestConfig()) == {"model": "m"}
