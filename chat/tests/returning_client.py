"""A client that reads a stream up to some byte, as EventSource does, and comes back for the rest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx


@dataclass
class Seen:
    """What a client has by now: only whole events count."""

    last_id: str = ""
    content: str = ""
    reasoning: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    """Id, name and arguments of each tool call, as they add up."""
    finish_reason: str | None = None
    usage: dict[str, int] | None = None
    errors: list[str] = field(default_factory=list)
    is_done: bool = False

    @property
    def said(self) -> tuple[str, str, dict[int, list[str]]]:
        # A lone half of a character is U+FFFD on record.
        halves = self.content.encode("utf-16-le", "surrogatepass")
        return halves.decode("utf-16-le", "replace"), self.reasoning, self.calls

    def read(self, body: bytes) -> Seen:
        """Take the whole events of `body`; what is cut off is lost."""
        for event in body.decode(errors="ignore").split("\n\n")[:-1]:
            for line in event.split("\n"):
                name, _, value = line.partition(": ")
                if name == "id":
                    self.last_id = value
                elif line == "data: [DONE]":
                    self.is_done = True
                elif name == "data":
                    self._take(json.loads(value))
        return self

    def _take(self, chunk: dict[str, Any]) -> None:
        if "error" in chunk:
            self.errors.append(chunk["error"]["code"])
        self.usage = chunk.get("usage") or self.usage
        for choice in chunk.get("choices", []):
            delta = choice["delta"]
            self.content += delta.get("content") or delta.get("refusal") or ""
            self.reasoning += delta.get("reasoning") or ""
            for piece in delta.get("tool_calls") or []:
                call = self.calls.setdefault(piece["index"], ["", "", ""])
                function = piece.get("function", {})
                parts = piece.get("id") or "", function.get("name") or "", function.get("arguments") or ""
                for place, part in enumerate(parts):
                    call[place] += part
            self.finish_reason = choice.get("finish_reason") or self.finish_reason


def stream_path(headers: httpx.Headers) -> str:
    """Where the answer goes on that came with these headers."""
    return "/api/conversations/{}/messages/{}/stream".format(
        headers["x-conversation-id"], headers["x-message-id"]
    )


def id_headers(last_id: str) -> dict[str, str]:
    return {"Last-Event-ID": last_id} if last_id else {}


def come_back(client: httpx.Client, path: str, seen: Seen) -> Seen:
    """The rest of the answer, on top of what was seen."""
    answer = client.get(path, headers=id_headers(seen.last_id))
    assert answer.status_code == 200, answer.text
    return seen.read(answer.content)
