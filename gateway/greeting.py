"""What `make run` says once it is up: where the chat page is, how to sign in, and how to chat by curl."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.utils.translation import gettext

from accounts.models import User
from accounts.tokens import issue_passing_token
from gateway.columns import pad
from gateway.conf import GatewayConfig

WEB_PATIENCE_S = 30.0
OWN_ENGINE_PATIENCE_S = 60.0
OTHER_ENGINE_PATIENCE_S = 8.0
"""An engine that somebody else starts may be away for long: the gateway is of use meanwhile."""
PRINTED_TOKEN_LIFE = timedelta(hours=1)
PRINTED_BY = "make-run"
"""Of its session, where people look at theirs."""

LABEL_COLUMNS = 6
ANSWERING = ("ready", "resting")
"""An engine that rests is woken by the first request."""
READ_ANSWER = (
    "import json, sys; answer = json.load(sys.stdin); "
    'print(answer["message"]["content"] if "message" in answer else answer)'
)


@dataclass(frozen=True)
class Started:
    """How the start went. `engine_status` is one of ANSWERING, or what keeps the engine from it."""

    url: str
    engine_status: str
    seconds: float

    @property
    def is_ready(self) -> bool:
        return self.engine_status in ANSWERING


def await_start(url: str, config: GatewayConfig, *, is_over: Callable[[], bool]) -> Started | None:
    """Wait until the engine is ready or has had its time; None when everything ended meanwhile."""
    begun = time.monotonic()
    engine_patience_s = OTHER_ENGINE_PATIENCE_S if config.vllm_base_url else OWN_ENGINE_PATIENCE_S
    status = None
    while not is_over():
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError, KeyError):
            status = _ask_for_status(url)
        waited_s = time.monotonic() - begun
        patience_s = WEB_PATIENCE_S if status is None else engine_patience_s
        if status in ANSWERING or waited_s > patience_s:
            return Started(url, status or gettext("the web process does not answer"), waited_s)
        time.sleep(0.1)
    return None


def name_engine(config: GatewayConfig) -> str:
    if config.vllm_base_url:
        return gettext("engine at {url}").format(url=config.vllm_base_url)
    if config.autostart_profile:
        return gettext("engine of {profile}").format(profile=config.autostart_profile)
    return gettext("simulated engine")


def describe_start(started: Started, config: GatewayConfig, *, log_path: Path) -> str:
    engine = name_engine(config)
    if started.is_ready:
        text = gettext("The {engine} is ready, {seconds} s after the start.")
    else:
        text = gettext("The {engine} is NOT READY YET ({status}): chats are refused until it answers.")
    state = text.format(engine=engine, seconds=f"{started.seconds:.0f}", status=started.engine_status)
    places = [
        (gettext("chat"), f"{started.url}/chat/"),
        (gettext("admin"), f"{started.url}/admin/"),
        (gettext("data"), str(Path(config.data_dir).resolve())),
        (gettext("log"), str(log_path.resolve())),
    ]
    if not config.vllm_base_url and not config.autostart_profile:
        simulated = gettext("simulated: it makes answers up (set VLLM_BASE_URL to use a real vLLM)")
        places.append((gettext("engine"), simulated))
    lines = [f"  {pad(label, LABEL_COLUMNS)} {place}" for label, place in places]
    return "\n".join([state, "", *lines]) + "\n"


def describe_curl(url: str, user: User) -> str:
    """A line that chats when it is pasted, and prints the answer's text."""
    token = issue_passing_token(user, life=PRINTED_TOKEN_LIFE, client=PRINTED_BY)
    body = '{"content": "Hello! What are you?", "stream": false}'
    call = f"curl -s {url}/api/chat -H 'Authorization: Bearer {token}' -d '{body}'"
    return f"{call} | python3 -c '{READ_ANSWER}'"


def can_open_browser() -> bool:
    """Whether somebody sits at this terminal, with a screen."""
    has_screen = sys.platform == "darwin" or bool(
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    )
    return has_screen and sys.stdin.isatty() and sys.stdout.isatty()


def _ask_for_status(url: str) -> str:
    """The engine's, of /health. By the standard library: each call of httpx would cost 0.16 s of CPU."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=2.0)
    with contextlib.closing(connection):
        connection.request("GET", "/health")
        return str(json.loads(connection.getresponse().read())["services"]["vllm"]["status"])
