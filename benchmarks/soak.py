"""Whether anything grows: `python -m benchmarks.soak [--minutes N] [--streams N] [--switch-every S]`.

The shape of production: two web processes and a switcher on PostgreSQL and Redis, with the shipped simulated
profiles. So many clients stream one answer after the other, in conversations of several turns and on /v1,
while the model is switched to and fro. Reported: how every answer ended, how long switches took, and what
memory, descriptors, threads, connections and keys there were; as a CSV file and a picture where asked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import redis

from benchmarks.children import BenchmarkError, Process, accepts_connections, running, wait_until_ready
from benchmarks.gateway_process import PROJECT, gateway_environment
from benchmarks.soak_samples import Samples
from benchmarks.stores import Stores, running_stores
from modelops.simulator.process import find_free_port

PROFILES = ("simulated", "simulated-large")
TURNS = 6
"""Of a conversation, before its client begins another one."""
LONGEST_WAIT_S = 5.0
"""A client that is told to come back later comes back after this at the latest."""
SAMPLE_EVERY_S = 5.0
DOCUMENTED = frozenset({"model_switching", "model_loading", "no_model", "engine_busy", "stopped_by_switch"})


@dataclass
class Clients:
    """What all of them have met."""

    url: str
    key: str
    outcomes: Counter[str] = field(default_factory=Counter)
    odd: list[str] = field(default_factory=list)
    chunks: int = 0

    async def run(self, count: int, until: float) -> None:
        limits = httpx.Limits(max_connections=None)
        headers = {"Authorization": f"Bearer {self.key}"}
        async with (
            httpx.AsyncClient(base_url=self.url, headers=headers, limits=limits, timeout=120) as client,
            asyncio.TaskGroup() as group,
        ):
            for number in range(count):
                group.create_task(self._chat_on(client, number, until))

    async def _chat_on(self, client: httpx.AsyncClient, number: int, until: float) -> None:
        chance = random.Random(number)  # noqa: S311 - to be repeated, not to be secret
        conversation, turns = None, 0
        while time.monotonic() < until:
            length = chance.randrange(20, 200)
            messages = [{"role": "user", "content": f"Tell me {length} words."}]
            if number % 3 == 0:
                body = {"model": "current", "messages": messages, "max_tokens": length, "stream": True}
                await self._stream(client, "/v1/chat/completions", body)
                continue
            body = {"messages": messages, "max_tokens": length, "stream": True}
            if conversation is not None:
                body["conversation_id"] = conversation
            answered = await self._stream(client, "/api/chat", body)
            turns += 1
            conversation = answered if turns % TURNS else None

    async def _stream(self, client: httpx.AsyncClient, path: str, body: Mapping[str, object]) -> str | None:
        """The conversation's id."""
        try:
            async with client.stream("POST", path, json=body) as answer:
                if answer.status_code != 200:
                    await answer.aread()
                    error = answer.json()["error"]
                    self._note(f"{answer.status_code} {error['code']}", error)
                    await asyncio.sleep(min(float(answer.headers.get("retry-after", 1)), LONGEST_WAIT_S))
                    return _conversation_of(answer)
                last = ""
                async for line in answer.aiter_lines():
                    if line.startswith("data: "):
                        self.chunks += 1
                        if '"error"' in line:
                            error = json.loads(line[6:]).get("error")
                            if error:
                                self._note(f"event {error['code']}", error)
                        last = line
                self._note("done" if last == "data: [DONE]" else "no end", last)
                return _conversation_of(answer)
        except httpx.HTTPError as exc:
            self._note(type(exc).__name__, str(exc))
            await asyncio.sleep(1)
            return None

    def _note(self, outcome: str, detail: object) -> None:
        self.outcomes[outcome] += 1
        if outcome != "done" and outcome.split()[-1] not in DOCUMENTED and len(self.odd) < 20:
            self.odd.append(f"{time.strftime('%H:%M:%S')} {outcome}: {detail}")


def _conversation_of(answer: httpx.Response) -> str | None:
    value: str | None = answer.headers.get("x-conversation-id")
    return value


@dataclass
class Switches:
    took_s: list[float] = field(default_factory=list)
    began_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    async def run(self, product: Product, *, every_s: float, start: float, until: float) -> None:
        async with httpx.AsyncClient(base_url=product.url, timeout=60) as client:
            for number in range(1, int((until - start) // every_s) + 1):
                await asyncio.sleep(max(0.0, start + number * every_s - time.monotonic()))
                began = time.monotonic()
                self.began_s.append(began - start)
                profile = PROFILES[number % 2]
                # Anew for each: tokens live shorter than the run, and keys may not switch.
                await log_in(client, product)
                answer = await client.post("/api/models/switch", json={"profile_id": profile})
                if answer.status_code not in {200, 202}:
                    self.failed.append(answer.text[:300])
                    continue
                if await self._is_served(client, profile):
                    self.took_s.append(time.monotonic() - began)
                else:
                    self.failed.append(f"{profile} was not served in time")

    async def _is_served(self, client: httpx.AsyncClient, profile: str) -> bool:
        for _ in range(240):
            status = (await client.get("/api/models/status")).json()
            if status.get("state") == "ready" and status.get("current_profile") == profile:
                return True
            await asyncio.sleep(0.25)
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--switch-every", type=float, default=120, metavar="S")
    parser.add_argument("--csv", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="an SVG file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gws-") as folder, running_stores() as stores:
        if stores.missing:
            raise BenchmarkError(stores.missing)
        with running_product(stores, Path(folder)) as product:
            samples, clients, switches = asyncio.run(
                soak(product, options.minutes * 60, options.streams, options.switch_every)
            )
    report(samples, clients, switches)
    if options.csv:
        samples.write_csv(options.csv)
    if options.picture:
        samples.write_picture(options.picture, switches.began_s)


@dataclass(frozen=True)
class Product:
    web: Process
    switcher: Process
    stores: Stores
    url: str
    password: str


@contextmanager
def running_product(stores: Stores, folder: Path) -> Iterator[Product]:
    password, port = secrets.token_urlsafe(16), find_free_port()
    environment = gateway_environment(stores, engine_port=0, folder=folder, password=password) | {
        "VLLM_BASE_URL": "",
        "GATEWAY_ADMIN_PASSWORD": password,
        "WEB_CONCURRENCY": "2",
        "AUTOSTART_PROFILE": PROFILES[0],
    }
    for arguments in (["migrate", "-v", "0"], ["load_profiles"], ["seed_users", "--admin-only"]):
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.DEVNULL)
    web = [sys.executable, "manage.py", "run_web", "--port", str(port)]
    switcher = [sys.executable, "manage.py", "run_switcher"]
    log = folder / "web.log"
    with (
        running(switcher, log=folder / "switcher.log", environment=environment, folder=PROJECT) as acting,
        running(web, log=log, environment=environment, folder=PROJECT) as serving,
    ):
        wait_until_ready(serving, lambda: accepts_connections(port), log=log)
        yield Product(serving, acting, stores, f"http://127.0.0.1:{port}", password)


async def soak(
    product: Product, duration_s: float, streams: int, switch_every_s: float
) -> tuple[Samples, Clients, Switches]:
    key = await make_key(product)
    start = time.monotonic()
    clients, switches, samples = Clients(product.url, key), Switches(), Samples()
    until = start + duration_s
    async with asyncio.TaskGroup() as group:
        group.create_task(clients.run(streams, until))
        group.create_task(switches.run(product, every_s=switch_every_s, start=start, until=until - 30))
        while time.monotonic() < until:
            samples.add(time.monotonic() - start, **await asyncio.to_thread(read_use, product))
            await asyncio.sleep(SAMPLE_EVERY_S)
    return samples, clients, switches


async def log_in(client: httpx.AsyncClient, product: Product) -> None:
    client.headers.pop("Authorization", None)
    answer = await client.post("/api/auth/login", json={"username": "admin", "password": product.password})
    client.headers["Authorization"] = f"Bearer {answer.raise_for_status().json()['access_token']}"


async def make_key(product: Product) -> str:
    """A key of the administrator's. Returns once a model is served."""
    async with httpx.AsyncClient(base_url=product.url, timeout=60) as client:
        await log_in(client, product)
        scopes = ["chat", "history", "models:read"]
        made = await client.post("/api/keys", json={"name": "soak", "scopes": scopes})
        if made.status_code != 201:
            raise BenchmarkError(made.text)
        for _ in range(120):
            if (await client.get("/api/models/status")).json().get("state") == "ready":
                break
            await asyncio.sleep(0.5)
        key: str = made.json()["key"]
        return key


def read_use(product: Product) -> dict[str, float]:
    web, switcher = family(product.web.pid), family(product.switcher.pid, engines=False)
    with redis.Redis.from_url(product.stores.redis_url) as store:
        keys, memory = store.dbsize(), store.info("memory")["used_memory"]
    return {
        "web, resident MB": sum(process.memory_info().rss for process in web) / 1e6,
        "web, descriptors": sum(process.num_fds() for process in web),
        "web, threads": sum(process.num_threads() for process in web),
        "switcher, resident MB": sum(process.memory_info().rss for process in switcher) / 1e6,
        "switcher, descriptors": sum(process.num_fds() for process in switcher),
        "switcher, threads": sum(process.num_threads() for process in switcher),
        "PostgreSQL, connections": float(product.stores.count_connections() or 0),
        "Redis, keys": float(keys),
        "Redis, MB": memory / 1e6,
    }


def family(pid: int, *, engines: bool = True) -> list[psutil.Process]:
    """The process and all that it started; without `engines`, itself alone."""
    process = psutil.Process(pid)
    found = [process]
    if engines:
        with suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return [each for each in found if each.is_running()]


def report(samples: Samples, clients: Clients, switches: Switches) -> None:
    print(f"{sum(clients.outcomes.values()):,} requests, {clients.chunks:,} events on {os.cpu_count()} cores")
    for outcome, count in clients.outcomes.most_common():
        print(f"  {outcome}: {count:,}")
    for line in clients.odd:
        print(f"  odd: {line}")
    if switches.took_s:
        print(
            f"{len(switches.took_s)} switches, median {statistics.median(switches.took_s):.1f} s, "
            f"most {max(switches.took_s):.1f} s; failed: {len(switches.failed)}"
        )
    for failure in switches.failed:
        print(f"  {failure}")
    print("\n".join(samples.as_lines()))


if __name__ == "__main__":
    main()
