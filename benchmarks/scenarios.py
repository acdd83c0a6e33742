"""What is asked of the servers, as docs and figures name it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

INSTANT = "current"
"""The engine's first model: its tokens come as fast as they go."""
EVERY_10_MS = "every-10-ms"
EVERY_SECOND = "every-second"
MODELS = (INSTANT, EVERY_10_MS, EVERY_SECOND)

PROMPT = "Tell me, in a few words, what a gateway in front of a language model is good for."


@dataclass(frozen=True)
class Scenario:
    name: str
    what: str
    connections: int
    tokens: int
    model: str = INSTANT
    is_stream: bool = True

    @property
    def body(self) -> str:
        """The same for every target: /api/chat takes what /v1/chat/completions takes."""
        return json.dumps(
            {
                "model": self.model,
                "messages": [{"role": "user", "content": PROMPT}],
                "stream": self.is_stream,
                "max_tokens": self.tokens,
            }
        )


SCENARIOS = (
    Scenario("json", "32 clients, whole answers", 32, 1, is_stream=False),
    Scenario("short", "32 clients, streams of 8 tokens", 32, 8),
    Scenario("burst", "32 clients, streams of 200 tokens without a pause", 32, 200),
    Scenario("one", "1 client, streams of 20 tokens, 10 ms apart", 1, 20, model=EVERY_10_MS),
    Scenario("paced256", "256 clients, streams of 100 tokens, 10 ms apart", 256, 100, model=EVERY_10_MS),
)

OPEN_STREAMS = Scenario("open2000", "2,000 open streams, a token a second", 2000, 12, model=EVERY_SECOND)


@dataclass(frozen=True)
class Target:
    """A server to ask. The engine itself has no `pid` here: nobody wants to know what the mock costs."""

    name: str
    port: int
    path: str = "/v1/chat/completions"
    pid: int | None = None
    token_file: Path | None = None
    skips: tuple[str, ...] = ()
    """Scenarios that it could not finish in their time."""


DIRECT = "engine"
CHAT = "/api/chat"
OPENAI = "/v1"
NGINX = "nginx"
LITELLM = "LiteLLM"
