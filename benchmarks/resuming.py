"""Whether clients that come back have all of their answers: `python -m benchmarks.resuming [--clients N]`.

Two web processes on PostgreSQL and Redis, a simulated engine. First every client leaves its stream at a
random byte and comes back after a random pause, half of them to the other process. Then the process that
streams is killed (SIGKILL) in the middle, and all come back to the other one. Reported: whose text is, byte
for byte, that of a client that never left; after the kill, whose is its beginning and has all that was saved.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from benchmarks.children import BenchmarkError
from benchmarks.gateway_process import GatewayProcess, another_process, running_gateway
from benchmarks.stores import running_stores
from chat.tests.returning_client import Seen, id_headers, stream_path
from modelops.simulator.process import start_simulator

PROMPTS = ("Tell me a long story", "긴 이야기를 들려주세요", "Why is the sky blue?", "하늘은 왜 파란가요?")
SEED = 3
TOKENS_PER_S = 10
LONGEST_PAUSE_S = 3.0
BEFORE_KILL_S = 1.5
SETTINGS = {"MAX_EVENT_STREAMS": "0", "REST_RATE": "100000000/m"}
SAVED_OFTEN = {"CHECKPOINT_INTERVAL": "0.5", "MESSAGE_LEASE": "4"}


@dataclass
class Visit:
    """One client's answer."""

    prompt: str
    headers: httpx.Headers
    seen: Seen = field(default_factory=Seen)
    was_running: bool = False
    """The answer was still being generated when its client came back."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--random-seed", type=int, default=random.SystemRandom().randrange(2**31))
    options = parser.parse_args()
    flags = ("--served-model-name", "m", "--sim-tokens-per-second", str(TOKENS_PER_S))
    with (
        tempfile.TemporaryDirectory(prefix="gwb-") as folder,
        running_stores() as stores,
        start_simulator(*flags) as engine,
    ):
        if stores.missing:
            raise BenchmarkError(stores.missing)
        with (
            running_gateway(
                stores,
                engine_port=engine.port,
                folder=Path(folder),
                core=None,
                settings=SETTINGS | SAVED_OFTEN,
            ) as one,
            another_process(one) as other,
        ):
            print(f"random seed {options.random_seed}")
            chance = random.Random(options.random_seed)  # noqa: S311 - to be repeated, not to be secret
            asyncio.run(measure(one, other, options.clients, chance))


async def measure(one: GatewayProcess, other: GatewayProcess, clients: int, chance: random.Random) -> None:
    async with client_of(one) as here, client_of(other) as there:
        bodies = dict(
            zip(PROMPTS, await asyncio.gather(*(never_leave(here, p) for p in PROMPTS)), strict=True)
        )
        whole = {prompt: Seen().read(body) for prompt, body in bodies.items()}
        texts = {prompt: len(seen.content + seen.reasoning) for prompt, seen in whole.items()}
        print(f"answers of {sorted(texts.values())} characters, {TOKENS_PER_S} tokens/s")

        visits = await asyncio.gather(
            *(
                leave_and_come_back(here, [here, there][number % 2], PROMPTS[number % 4], bodies, chance)
                for number in range(clients)
            )
        )
        same = sum(is_same(visit.seen, whole[visit.prompt]) for visit in visits)
        running = sum(visit.was_running for visit in visits)
        print(f"left at a random byte: {same} of {clients} have the same text and end")
        print(f"  {clients // 2} came back to the other process; {running} while their answer was running")

        killed = await come_back_after_kill(one, here, there, clients)
        beginnings = [visit.seen for visit in killed if is_beginning(visit.seen, whole[visit.prompt])]
        saved = [await read_saved(there, visit) for visit in killed]
        complete = sum(
            visit.seen.content.startswith(text) for visit, text in zip(killed, saved, strict=True) if text
        )
        print(
            f"kill -9: {len(beginnings)} of {clients} have a beginning of the same text and the error event"
        )
        print(f"  {complete} of the {sum(map(bool, saved))} answers of which some was saved have all of that")


async def never_leave(client: httpx.AsyncClient, prompt: str) -> bytes:
    answer = await client.post("/api/chat", json=body_of(prompt))
    return answer.raise_for_status().content


async def leave_and_come_back(
    first: httpx.AsyncClient,
    second: httpx.AsyncClient,
    prompt: str,
    bodies: dict[str, bytes],
    chance: random.Random,
) -> Visit:
    cut, pause_s = chance.randrange(len(bodies[prompt])), chance.uniform(0, LONGEST_PAUSE_S)
    visit = await stay_for(first, prompt, cut)
    await asyncio.sleep(pause_s)
    visit.was_running = await read_status(second, visit) == "streaming"
    await come_back(second, visit)
    return visit


async def stay_for(
    client: httpx.AsyncClient, prompt: str, length: int | None, begun: asyncio.Queue[Visit] | None = None
) -> Visit:
    """Ask, and leave after so many bytes of the answer; with None, when it breaks off."""
    body = b""
    async with client.stream("POST", "/api/chat", json=body_of(prompt)) as response:
        visit = Visit(prompt, response.raise_for_status().headers)
        if begun is not None:
            begun.put_nowait(visit)
        with suppress(httpx.TransportError):
            async for piece in response.aiter_raw():
                body += piece
                if length is not None and len(body) >= length:
                    break
    seen = Seen().read(body[:length])
    visit.seen = seen if seen.last_id else Seen()
    return visit


async def come_back(client: httpx.AsyncClient, visit: Visit) -> None:
    headers = id_headers(visit.seen.last_id)
    answer = await client.get(stream_path(visit.headers), headers=headers)
    visit.seen.read(answer.raise_for_status().content)


async def come_back_after_kill(
    one: GatewayProcess, here: httpx.AsyncClient, there: httpx.AsyncClient, clients: int
) -> list[Visit]:
    begun: asyncio.Queue[Visit] = asyncio.Queue()
    asking = [asyncio.create_task(stay_for(here, PROMPTS[n % 4], None, begun)) for n in range(clients)]
    for _ in range(clients):
        await begun.get()
    await asyncio.sleep(BEFORE_KILL_S)
    one.process.kill()
    visits = await asyncio.gather(*asking)
    await asyncio.gather(*(come_back(there, visit) for visit in visits))
    return list(visits)


async def read_status(client: httpx.AsyncClient, visit: Visit) -> str:
    return (await read_row(client, visit))["status"]


async def read_saved(client: httpx.AsyncClient, visit: Visit) -> str:
    return (await read_row(client, visit))["content"]


async def read_row(client: httpx.AsyncClient, visit: Visit) -> dict[str, str]:
    answer = await client.get(f"/api/conversations/{visit.headers['x-conversation-id']}")
    row: dict[str, str] = answer.raise_for_status().json()["messages"][-1]
    return row


def is_same(seen: Seen, whole: Seen) -> bool:
    return (seen.said, seen.finish_reason, seen.is_done) == (whole.said, whole.finish_reason, True)


def is_beginning(seen: Seen, whole: Seen) -> bool:
    has_ended = (seen.errors, seen.is_done) == (["interrupted"], True)
    return has_ended and bool(seen.content) and whole.content.startswith(seen.content)


def client_of(gateway: GatewayProcess) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {gateway.token_file.read_text().split()[0]}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{gateway.port}", headers=headers, timeout=120, limits=limits
    )


def body_of(prompt: str) -> dict[str, object]:
    return {"content": prompt, "seed": SEED, "stream": True}


if __name__ == "__main__":
    main()
