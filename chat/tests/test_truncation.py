"""The oldest turns are left out of a prompt that does not fit, as the engine counts it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.tests.streams import error_of, read_stream
from chat.truncation import MOST_COUNTS, find_start
from conversations.branches import BranchMessage, Prompt
from conversations.prompt_sizes import TurnLimits
from conversations.prompt_sources import PromptSource
from gateway.errors import ContextLengthExceeded
from gateway.tests.databases import Stores
from gateway.tests.live import GatewayProcess, start_gateway, wait_until
from gateway.tests.people import register
from modelops.simulator.process import start_simulator

LIMITS = TurnLimits(model="tiny", context_tokens=1000, keeps_newest=True, answer_tokens=200)
OLDEST = {"truncation": "oldest"}


def source_of(lengths: list[int], *, letter: str = "x", earlier: int = 0) -> PromptSource:
    """Turns of one question and one answer each, the last without one."""
    said = [BranchMessage("", role, letter * length) for length in lengths for role in ("user", "assistant")][
        :-1
    ]
    return PromptSource(system_prompt="", said=said, earlier=earlier)


class Tokenizer:
    """Counts a token for so many letters, and remembers how often."""

    def __init__(self, letters: float) -> None:
        self.letters = letters
        self.calls = 0

    def measure(self, prompt: Prompt) -> int:
        return round(sum(len(message["content"]) / self.letters + 4 for message in prompt))

    async def count(self, prompt: Prompt) -> int | None:
        self.calls += 1
        return self.measure(prompt)


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=60),
    st.floats(1, 8),
    st.integers(0, 5),
    st.sampled_from(["x", "말"]),
)
async def test_as_many_turns_as_fit_are_found_with_two_counts_at_most(
    lengths: list[int], letters: float, earlier: int, letter: str
) -> None:
    source = source_of(lengths, letter=letter, earlier=earlier)
    tokenizer = Tokenizer(letters)

    start = await find_start(source, LIMITS, tokenizer.count)

    assert tokenizer.calls <= MOST_COUNTS
    assert start in source.starts
    used = tokenizer.measure(source.make_prompt(start))
    assert used <= 800 or start == source.starts[-1]
    better = [s for s in source.starts if s < start]
    if better:  # hardly more than one turn more would have fitted
        longest = max(lengths) / letters * 2 + 8
        assert tokenizer.measure(source.make_prompt(better[0])) > 800 or used > 800 * 0.85 - 2 * longest


async def test_newest_turn_that_does_not_fit_alone_is_refused_with_the_numbers() -> None:
    with pytest.raises(ContextLengthExceeded, match=r"newest turn alone has 1254 tokens.*is 1000 tokens"):
        await find_start(source_of([10, 10, 5000]), LIMITS, Tokenizer(4).count)
    with pytest.raises(ContextLengthExceeded, match=r"more than 6400 bytes"):
        nothing = PromptSource(system_prompt="", said=[BranchMessage("", "assistant", "x")], earlier=3)
        await find_start(nothing, LIMITS, Tokenizer(4).count)


async def test_newest_turn_that_fits_only_without_the_room_for_an_answer_is_asked_all_the_same() -> None:
    source = source_of([10, 3800])

    assert await find_start(source, LIMITS, Tokenizer(4).count) == source.starts[-1]


async def test_what_nobody_counts_is_estimated_with_caution() -> None:
    async def nothing(_prompt: Prompt) -> None:
        return None

    source = source_of([200] * 40)

    uncounted = await find_start(source, LIMITS, nothing)

    assert uncounted == await find_start(source, LIMITS, None)
    assert Tokenizer(4).measure(source.make_prompt(uncounted)) in range(400, 700)


async def test_engine_that_refuses_to_count_what_is_too_long_is_asked_for_less() -> None:
    tokenizer = Tokenizer(3)

    async def count(prompt: Prompt) -> int | None:
        tokens = await tokenizer.count(prompt)
        if tokens is not None and tokens > 1000:
            raise ContextLengthExceeded
        return tokens

    source = source_of([300] * 40)

    assert tokenizer.measure(source.make_prompt(await find_start(source, LIMITS, count))) <= 800


CONTEXT = 1000


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    flags = ("--served-model-name", "simulated", "--max-model-len", str(CONTEXT))
    with start_simulator(*flags, "--sim-first-token-seconds", "0", "--sim-tokens-per-second", "0") as running:
        yield running.base_url


@pytest.fixture(scope="module")
def small(stores: Stores, tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[GatewayProcess]:
    """A gateway whose model has a context of CONTEXT tokens."""
    bounds = {"MAX_CONVERSATION_BYTES": "60000", "REGISTRATION": "true"}
    with start_gateway(stores, tmp_path_factory.mktemp("small"), engine, **bounds) as gateway:
        yield gateway


@pytest.fixture
def person(small: GatewayProcess) -> Iterator[httpx.Client]:
    with register(small).client(small) as client:
        yield client


def chat(client: httpx.Client, content: str, **fields: Any) -> httpx.Response:
    return client.post("/api/chat", json={"content": content, "max_tokens": 20} | fields)


def talk(client: httpx.Client, turns: int, words: int = 100) -> dict[str, Any]:
    """A conversation of so many turns, each of about `words` tokens; the last answer."""
    place: dict[str, Any] = {}
    for number in range(turns):
        answer = chat(client, f"{number} " + "word " * words, **OLDEST, **place).raise_for_status().json()
        place = {"conversation_id": answer["conversation_id"]}
    last: dict[str, Any] = answer
    return last


def path_of(answer: dict[str, Any], verb: str) -> str:
    return f"/api/conversations/{answer['conversation_id']}/messages/{answer['message_id']}/{verb}"


def last_row(client: httpx.Client, answer: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = client.get(f"/api/conversations/{answer['conversation_id']}").json()["messages"][-1]
    return row


def test_conversation_that_outgrew_the_context_goes_on_and_says_what_was_left_out(
    person: httpx.Client,
) -> None:
    last = talk(person, 12)
    here = {"conversation_id": last["conversation_id"]}

    refused = chat(person, "And?", **here)
    plain = chat(person, "And?", **here, **OLDEST)
    stream = read_stream(person, "/api/chat", {"content": "So?", "max_tokens": 20, **here, **OLDEST})

    assert (refused.status_code, error_of(refused)["code"]) == (400, "context_length_exceeded")
    assert "1000 tokens" in error_of(refused)["message"]
    body = plain.json()
    assert body["omitted_messages"] == int(plain.headers["x-omitted-messages"])
    # Whole turns of about 125 tokens, with room for 20 more.
    assert 800 < body["usage"]["prompt_tokens"] <= CONTEXT - 20
    assert body["omitted_messages"] % 2 == 0
    assert body["omitted_messages"] > 8
    assert int(stream.headers["x-omitted-messages"]) >= body["omitted_messages"]
    assert last_row(person, last)["omitted_messages"] == int(stream.headers["x-omitted-messages"])


def test_answer_is_given_again_and_goes_on_within_the_context(person: httpx.Client) -> None:
    last = talk(person, 10)
    cut = last_row(person, last)

    refused = [person.post(path_of(last, verb)) for verb in ("regenerate", "continue")]
    continued = person.post(path_of(last, "continue"), json=OLDEST).json()
    other = person.post(path_of(last, "regenerate"), json=OLDEST).json()

    assert {error_of(answer)["code"] for answer in refused} == {"context_length_exceeded"}
    assert last_row(person, last)["id"] == other["message_id"]
    assert continued["message"]["content"].startswith(cut["content"])
    assert continued["finish_reason"] == "stop"
    assert min(continued["omitted_messages"], other["omitted_messages"]) > 0


def test_turn_that_fits_leaves_nothing_out_and_says_nothing_of_it(person: httpx.Client) -> None:
    answer = chat(person, "Hello", **OLDEST)

    assert answer.json()["omitted_messages"] == 0
    assert "x-omitted-messages" not in answer.headers


def test_message_that_does_not_fit_alone_is_refused_and_not_stored(person: httpx.Client) -> None:
    last = talk(person, 2)
    here = {"conversation_id": last["conversation_id"]}

    counted = chat(person, "word " * (CONTEXT + 50), **here, **OLDEST)
    by_bytes = chat(person, "x" * (16 * CONTEXT + 1), **here, **OLDEST)

    for answer in (counted, by_bytes):
        assert (answer.status_code, error_of(answer)["code"]) == (400, "context_length_exceeded")
    assert "newest turn alone" in error_of(counted)["message"]
    assert last_row(person, last)["id"] == last["message_id"]


def test_chat_that_is_not_stored_leaves_out_its_oldest_turns_too(person: httpx.Client) -> None:
    said = [{"role": "system", "content": "Be brief."}]
    for number in range(20):
        said += [{"role": role, "content": f"{number} " + "word " * 50} for role in ("user", "assistant")]
    said.append({"role": "user", "content": "And?"})

    answer = person.post("/api/chat", json={"messages": said, "store": False, "max_tokens": 5, **OLDEST})

    body = answer.json()
    assert answer.status_code == 200
    assert body["conversation_id"] is None
    assert body["omitted_messages"] == int(answer.headers["x-omitted-messages"])
    assert 800 < body["usage"]["prompt_tokens"] <= CONTEXT - 5


def test_conversation_at_its_bound_is_full_whatever_is_left_out(person: httpx.Client) -> None:
    place: dict[str, Any] = {}
    while (answer := chat(person, "word " * 700, **OLDEST, **place)).status_code == 200:
        place = {"conversation_id": answer.json()["conversation_id"]}

    assert (answer.status_code, error_of(answer)["code"]) == (409, "conversation_full")


def test_old_conversation_stays_usable_with_a_model_of_a_shorter_context(
    stores: Stores, tmp_path: Path, engine: str
) -> None:
    flags = ("--served-model-name", "roomy", "--max-model-len", "16000", "--sim-tokens-per-second", "0")
    with start_simulator(*flags) as roomy, start_gateway(stores, tmp_path, roomy.base_url) as gateway:
        with gateway.client() as client:
            last = talk(client, 20, words=150)
            assert last["omitted_messages"] == 0
        gateway.stop()
        gateway.environment["VLLM_BASE_URL"] = engine
        gateway.start()

        with gateway.client() as client:
            here = {"conversation_id": last["conversation_id"]}
            wait_until(lambda: chat(client, "Hi", store=False).status_code == 200, what="the engine")
            refused = chat(client, "And?", **here)
            answer = chat(client, "And?", **here, **OLDEST)

    assert error_of(refused)["code"] == "context_length_exceeded"
    assert answer.json()["model"] == "simulated"
    assert answer.json()["omitted_messages"] > 20
    assert json.loads(answer.text)["usage"]["prompt_tokens"] < CONTEXT
