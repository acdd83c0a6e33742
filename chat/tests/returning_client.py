"""A client that reads a stream up to some byte, as EventSource does, and comes back for the rest."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


class Reader:
    """Reads a stream as far as a test wants."""

    def __init__(self, response: httpx.Response, seen: Seen | None = None) -> None:
        assert response.status_code == 200, response.read()
        self.headers = response.headers
        self._pieces = response.iter_raw()
        self._body = b""
        self._before = seen or Seen()

    @property
    def seen(self) -> Seen:
        """What the client has by now, with what it had before."""
        return copy.deepcopy(self._before).read(self._body)

    def read_until(self, is_enough: Callable[[Seen], bool]) -> Seen:
        while not is_enough(self.seen):
            self._read_more()
        return self.seen

    def read_until_it_says(self, content: str) -> Seen:
        return self.read_until(lambda seen: seen.content == content)

    def read_until_pinged(self) -> None:
        while b": ping\n\n" not in self._body:
            self._read_more()

    def read_to_the_end(self) -> Seen:
        self._body += b"".join(self._pieces)
        return self.seen

    def _read_more(self) -> None:
        piece = next(self._pieces, None)
        assert piece is not None, f"the stream ended with {self.seen}"
        self._body += piece


@contextmanager
def asking(client: httpx.Client, **body: Any) -> Iterator[Reader]:
    """A stored answer that is streamed inside the context."""
    with client.stream("POST", "/api/chat", json={"content": "x", "stream": True} | body) as response:
        yield Reader(response)


@contextmanager
def following(client: httpx.Client, headers: httpx.Headers, seen: Seen | None = None) -> Iterator[Reader]:
    """The answer with these headers, after what was seen of it."""
    sent = id_headers(seen.last_id if seen else "")
    with client.stream("GET", stream_path(headers), headers=sent) as response:
        yield Reader(response, seen)
