"""What `make run` says once it is up."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from gateway.conf import GatewayConfig
from gateway.greeting import Started, can_open_browser, describe_start
from gateway.management.commands.run_embedded import MOST_LOG_BYTES, roll_over

URL = "http://127.0.0.1:8080"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def describe(config: GatewayConfig, status: str = "ready") -> str:
    return describe_start(Started(URL, status, 4.2), config, log_path=Path("web.log"))


def test_first_line_says_that_the_engine_is_ready_and_the_next_where_to_chat() -> None:
    lines = describe(GatewayConfig()).splitlines()

    assert lines[0] == "The simulated engine is ready, 4 s after the start."
    assert f"{URL}/chat/" in lines[2]


def test_engine_that_does_not_answer_is_named_with_what_keeps_it() -> None:
    text = describe(GatewayConfig(vllm_base_url="http://box:8000"), status="unreachable")

    assert "The engine at http://box:8000 is NOT READY YET (unreachable)" in text
    assert "simulated" not in text


def test_profile_that_was_chosen_is_not_called_simulated() -> None:
    text = describe(GatewayConfig(autostart_profile="qwen3-8b"), status="loading")

    assert "The engine of qwen3-8b is NOT READY YET (loading)" in text
    assert "simulated" not in text


@pytest.mark.parametrize(
    ("environment", "is_terminal", "expected"),
    [
        ({"DISPLAY": ":0"}, True, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, True, True),
        ({}, True, False),
        ({"DISPLAY": ":0"}, False, False),
    ],
)
def test_browser_is_offered_to_who_has_a_terminal_and_a_screen(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], is_terminal: bool, expected: bool
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stream = Terminal() if is_terminal else io.StringIO()
    monkeypatch.setattr("sys.stdin", stream)
    monkeypatch.setattr("sys.stdout", stream)

    assert can_open_browser() is expected


def test_log_that_has_grown_large_is_put_aside(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    with log.open("wb") as file:
        file.truncate(MOST_LOG_BYTES + 1)

    roll_over(log)

    assert not log.exists()
    assert (tmp_path / "web.log.1").exists()
