"""Names that were perhaps meant."""

from __future__ import annotations

import pytest

from gateway.near_names import find_near_names, suggest_names
from gateway.wording import say

PROFILES = ("codellama-7b", "deepseek-coder-7b", "qwen2-14b-instruct", "qwen2-7b-instruct", "simulated")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("simulatd", ["simulated"]),
        ("SIMULATED", ["simulated"]),
        ("qwen2-7b-instuct", ["qwen2-7b-instruct", "qwen2-14b-instruct"]),
        ("qwen", ["qwen2-7b-instruct", "qwen2-14b-instruct"]),
        ("simulated-large", ["simulated"]),
        ("mistral", []),
        ("", []),
        ("s", []),
        ("x" * 100_000, []),
    ],
)
def test_near_is_what_differs_little_or_contains_the_name(written: str, meant: list[str]) -> None:
    assert find_near_names(written, PROFILES) == meant


def test_three_names_at_most_are_suggested() -> None:
    assert len(find_near_names("model", [f"model-{number}" for number in range(50)])) == 3


def test_suggestion_follows_the_problem_and_lists_its_choices() -> None:
    assert suggest_names("No profile 'simulatd'.", "simulatd", PROFILES) == (
        "No profile 'simulatd'. Did you mean simulated?"
    )
    assert suggest_names("No.", "qwen", PROFILES) == (
        "No. Did you mean qwen2-7b-instruct or qwen2-14b-instruct?"
    )
    assert suggest_names("No profile 'mistral'.", "mistral", PROFILES) == "No profile 'mistral'."


def test_suggestion_can_be_said_in_another_language() -> None:
    suggested = suggest_names("No.", "simulatd", PROFILES)

    assert say(suggested, {"{problem} Did you mean {names}?": "{names}? {problem}"}.__getitem__) == (
        "simulated? No."
    )
