"""What is asked of the servers, as docs and figures name it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MOCK_MODEL = "instant"
"""What the mock engine calls its first model."""
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
    turns: int = 0
    """Of the stored conversation that each client goes on with, after its last answer; 0: a new one."""
    beside: Scenario | None = None
    """What another client does meanwhile, unmeasured."""

    def list_bodies(self, target: Target) -> list[str]:
        """One for all clients (/api/chat takes what /v1 takes), or one for each stored conversation."""
        asked = {"model": self.model, "stream": self.is_stream, "max_tokens": self.tokens}
        if not self.turns:
            return [json.dumps(asked | {"messages": [{"role": "user", "content": PROMPT}]})]
        return [
            json.dumps(asked | {"content": PROMPT, "conversation_id": each.id, "parent_id": each.last_id})
            for each in target.conversations.get(self.turns, ())
        ]

    def is_for(self, target: Target) -> bool:
        """Stored conversations are the gateway's alone."""
        needed = {self.turns, self.beside.turns if self.beside else 0} - {0}
        return self.name not in target.skips and needed <= set(target.conversations)


SCENARIOS = (
    Scenario("json", "32 clients, whole answers", 32, 1, is_stream=False),
    Scenario("json100", "32 clients, whole answers of 100 tokens", 32, 100, is_stream=False),
    Scenario(
        "json20turns",
        "the same as json, in stored conversations of 20 turns",
        32,
        1,
        is_stream=False,
        turns=20,
    ),
    Scenario("short", "32 clients, streams of 8 tokens", 32, 8),
    Scenario("burst", "32 clients, streams of 200 tokens without a pause", 32, 200),
    Scenario("one", "1 client, streams of 20 tokens, 10 ms apart", 1, 20, model=EVERY_10_MS),
    Scenario("paced256", "256 clients, streams of 100 tokens, 10 ms apart", 256, 100, model=EVERY_10_MS),
    Scenario("paced64", "64 clients, streams of 100 tokens, 10 ms apart", 64, 100, model=EVERY_10_MS),
    Scenario(
        "beside2000",
        "the same as paced64, beside a client that loops on a conversation of 2,000 turns",
        *(64, 100, EVERY_10_MS),
        beside=Scenario("loop2000", "", 1, 1, is_stream=False, turns=2000),
    ),
)

OPEN_STREAMS = Scenario("open2000", "2,000 open streams, a token a second", 2000, 12, model=EVERY_SECOND)


@dataclass(frozen=True)
class StoredConversation:
    id: str
    last_id: str
    """Of its last answer."""


@dataclass(frozen=True)
class Target:
    """A server to ask. The engine itself has no `pid` here: nobody wants to know what the mock costs."""

    name: str
    port: int
    path: str = "/v1/chat/completions"
    pid: int | None = None
    token_file: Path | None = None
    conversations: Mapping[int, Sequence[StoredConversation]] = field(default_factory=dict)
    """By their number of turns."""
    skips: tuple[str, ...] = ()
    """Scenarios that it could not finish in their time."""


DIRECT = "engine"
CHAT = "/api/chat"
OPENAI = "/v1"
NGINX = "nginx"
LITELLM = "LiteLLM"
VLLM_ROUTER = "vLLM router"
STORED = (CHAT, OPENAI)
"""Where the stores' CPU time belongs to the target."""
