"""Asking a simulator and reading its streams."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import aiohttp

CHAT = "/v1/chat/completions"


def chat_body(text: str = "Hello there", **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], **fields}


def with_fault(name: str, *, after: int = 0, **fields: Any) -> dict[str, Any]:
    xargs = {"sim_fault": name, "sim_after": after}
    return chat_body(vllm_xargs=xargs | fields.pop("xargs", {}), **fields)


async def ask(client: aiohttp.ClientSession, body: Any, path: str = CHAT) -> tuple[int, Any]:
    async with client.post(path, json=body) as response:
        return response.status, json.loads(await response.read())


async def stream_raw(client: aiohttp.ClientSession, body: dict[str, Any], path: str = CHAT) -> list[str]:
    async with client.post(path, json=body | {"stream": True}) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        text = (await response.read()).decode()
    return [event.removeprefix("data: ") for event in text.split("\n\n") if event]


async def stream_events(
    client: aiohttp.ClientSession, body: dict[str, Any], path: str = CHAT
) -> list[dict[str, Any]]:
    events = await stream_raw(client, body, path)
    assert events[-1] == "[DONE]"
    return [json.loads(event) for event in events[:-1]]


def joined_content(events: list[dict[str, Any]], index: int = 0) -> str:
    deltas = [choice["delta"] for e in events for choice in e["choices"] if choice["index"] == index]
    return "".join(delta.get("content") or "" for delta in deltas)


async def read_metric(client: aiohttp.ClientSession, name: str) -> float:
    async with client.get("/metrics") as response:
        text = await response.text()
    match = re.search(rf"^{re.escape(name)}{{[^}}]*}} (\S+)$", text, re.MULTILINE)
    assert match is not None, f"{name} is not in /metrics"
    return float(match[1])


async def wait_for_metric(client: aiohttp.ClientSession, name: str, value: float) -> None:
    async with asyncio.timeout(5):
        while await read_metric(client, name) != value:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.01)
