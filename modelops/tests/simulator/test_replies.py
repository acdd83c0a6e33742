from __future__ import annotations

import json

from modelops.simulator import tokenizer
from modelops.simulator.generation import DeltaField, generate_text
from modelops.simulator.replies import Reply, compose_reply
from modelops.simulator.sampling import parse_sampling


def reply_to(text: str, *, seed: int | None = None) -> Reply:
    return compose_reply(prompt=f"user: {text}", user_text=text, seed=seed)


def test_a_reply_begins_by_saying_that_it_is_simulated() -> None:
    assert reply_to("hi").content.startswith("This is a simulated reply")


def test_a_korean_message_is_answered_in_korean() -> None:
    assert reply_to("날씨 어때?").content.startswith("이것은 시뮬레이션 응답입니다")


def test_a_reply_repeats_the_message() -> None:
    assert "what is the weather" in reply_to("what is the weather").content


def test_the_same_seed_gives_the_same_reply() -> None:
    assert reply_to("hi", seed=7) == reply_to("hi", seed=7)


def test_other_seeds_give_other_replies() -> None:
    assert len({reply_to("hi", seed=seed).content for seed in range(8)}) > 1


def test_a_reply_has_a_demonstrable_length() -> None:
    for text in ("hi", "안녕"):
        assert 50 <= tokenizer.count(reply_to(text).content) <= 150


def test_a_title_that_is_wanted_as_json_is_an_object() -> None:
    request = (
        '### Task:\nMake a title.\n### Output:\nJSON format: { "title": "your concise title here" }\n'
        "### Chat History:\n<chat_history>\nUSER: 서울의 날씨를 알려 줘\nASSISTANT: Fine.\n</chat_history>"
    )

    assert json.loads(reply_to(request).content) == {"title": "서울의 날씨를 알려 줘"}


def test_a_stop_string_across_tokens_ends_the_text_before_it_and_its_tokens_count() -> None:
    sampling = parse_sampling({"stop": "simulated reply"}, max_model_len=100, default_max_tokens=None)

    choice = generate_text(reply_to("hi"), index=0, sampling=sampling, budget=90, with_reasoning=False)

    assert choice.text(DeltaField.CONTENT) == "This is a "
    assert (choice.finish_reason, choice.stop_reason) == ("stop", "simulated reply")
    assert len(choice.steps) == tokenizer.count("This is a simulated reply")


def test_text_that_might_become_a_stop_string_is_held_back() -> None:
    sampling = parse_sampling({"stop": "zzzzzzzz"}, max_model_len=100, default_max_tokens=None)

    choice = generate_text(reply_to("hi"), index=0, sampling=sampling, budget=4, with_reasoning=False)

    assert [step.text for step in choice.steps] == ["", "", "Th", "is is a simul"]


def test_a_stop_string_before_min_tokens_is_ignored() -> None:
    body = {"stop": "simulated", "min_tokens": 10}
    sampling = parse_sampling(body, max_model_len=100, default_max_tokens=12)

    choice = generate_text(reply_to("hi"), index=0, sampling=sampling, budget=12, with_reasoning=False)

    assert (choice.finish_reason, len(choice.steps)) == ("length", 12)
