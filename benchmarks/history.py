"""What a long history costs: `python -m benchmarks.history [--embedded] [--rounds N] [--plans]`.

Fills two databases, one with 10,000 messages and one with 1,000,000 in 20,000 conversations (100,000
on SQLite), and sends the same requests to a gateway on each, in turn. What is measured are the lists, pages,
turns and searches of one account: it has 1,100 conversations in the small one, and 5,000 with a quarter of
all messages in the large one. One of them has 4,000 messages in both. Each request may take 1.5 times as
long in the large one, by the medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks.children import BenchmarkError
from benchmarks.filling import Writer
from benchmarks.gateway_process import PROJECT, USERNAME, GatewayProcess, running_gateway
from benchmarks.stores import Stores, running_stores
from modelops.simulator.process import start_simulator

PAGE = 20
PAGES_BEFORE = 49
CONTEXT_TOKENS = 4_000_000
BOUND = 1.5
FREQUENT, USUAL, RARE = 0, 150, 3900
"""Words to search for, by their rank."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is stored; `own` is what the account has that is measured."""

    messages: int
    conversations: int
    own: int
    own_messages: int


SMALL = Size(messages=10_000, conversations=1_200, own=1_100, own_messages=9_500)
LARGE = Size(messages=1_000_000, conversations=20_000, own=5_000, own_messages=250_000)
LARGE_EMBEDDED = Size(messages=100_000, conversations=2_000, own=1_100, own_messages=25_000)


@dataclass
class History:
    """A gateway on a database that is filled."""

    size: Size
    gateway: GatewayProcess
    client: httpx.Client
    longest: str
    typical: str
    cursor: str

    def requests(self) -> dict[str, Callable[[], httpx.Response]]:
        lists, writer = "/api/conversations", Writer()
        return {
            "list": lambda: self.client.get(lists, params={"limit": PAGE}),
            "page 50": lambda: self.client.get(lists, params={"limit": PAGE, "after": self.cursor}),
            "detail": lambda: self.client.get(f"{lists}/{self.typical}"),
            "detail of 4,000 messages": lambda: self.client.get(f"{lists}/{self.longest}"),
            "turn in a new conversation": lambda: self.chat(),
            "turn in 4,000 messages": lambda: self.chat(conversation_id=self.longest),
            "search, frequent word": lambda: self.search(writer.word_at(FREQUENT)),
            "search, usual word": lambda: self.search(writer.word_at(USUAL)),
            "search, rare word": lambda: self.search(writer.word_at(RARE)),
            "search, no match": lambda: self.search("어디에도없는말"),
        }

    def chat(self, **fields: Any) -> httpx.Response:
        return self.client.post("/api/chat", json={"content": "Hello", "max_tokens": 1, **fields})

    def search(self, word: str) -> httpx.Response:
        return self.client.get("/api/conversations/search", params={"q": word, "limit": PAGE})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embedded", action="store_true", help="SQLite, with 100,000 messages")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--plans", action="store_true", help="print PostgreSQL's plans as well")
    options = parser.parse_args()
    pace = ("--sim-tokens-per-second", "0", "--sim-first-token-seconds", "0")
    flags = ("--served-model-name", "m", "--max-model-len", str(CONTEXT_TOKENS), *pace)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gwb-")))
        stores = Stores() if options.embedded else stack.enter_context(running_stores())
        if stores.missing:
            raise BenchmarkError(stores.missing)
        engine = stack.enter_context(start_simulator(*flags))
        histories = [
            stack.enter_context(running_history(size, stores, engine.port, folder / str(size.messages)))
            for size in (SMALL, LARGE_EMBEDDED if options.embedded else LARGE)
        ]
        report(measure(histories, rounds=options.rounds), histories)
        if options.plans and not options.embedded:
            print(run("benchmarks.history_plans", histories[1].gateway, USERNAME, histories[1].longest))


@contextmanager
def running_history(size: Size, stores: Stores, engine_port: int, folder: Path) -> Iterator[History]:
    """Fill a database of its own, and run a gateway on it."""
    folder.mkdir()
    own = replace(stores, database_url=create_database(stores, f"history_{size.messages}"))
    with running_gateway(own, engine_port=engine_port, folder=folder, core=None) as gateway:
        begun = time.monotonic()
        numbers = (size.messages, size.conversations, size.own, size.own_messages)
        filled = json.loads(run("benchmarks.filling", gateway, USERNAME, *map(str, numbers)))
        print(f"{size.messages:,} messages stored in {time.monotonic() - begun:.0f} s", flush=True)
        begun = time.monotonic()
        command = [sys.executable, "manage.py", "index_messages", "--defer-index"]
        subprocess.run(command, cwd=PROJECT, env=dict(gateway.environment), check=True, capture_output=True)
        print(f"  and indexed in {time.monotonic() - begun:.0f} s", flush=True)
        token = gateway.token_file.read_text().split()[0]
        with httpx.Client(
            base_url=f"http://127.0.0.1:{gateway.port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
        ) as client:
            cursor = find_cursor(client)
            yield History(size, gateway, client, filled["longest"], filled["typical"], cursor)


def create_database(stores: Stores, name: str) -> str:
    """Its URL; empty for SQLite, whose file lies in the gateway's folder."""
    if not stores.database_url:
        return ""
    with psycopg.connect(stores.database_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return stores.database_url.rpartition("/")[0] + f"/{name}"


def run(module: str, gateway: GatewayProcess, *arguments: str) -> str:
    """What a module prints that runs with the gateway's settings."""
    environment = dict(gateway.environment) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def find_cursor(client: httpx.Client) -> str:
    """The id that page 50 comes after."""
    after: dict[str, str] = {}
    for _ in range(PAGES_BEFORE):
        answer = client.get("/api/conversations", params={"limit": PAGE, **after}).raise_for_status().json()
        after = {"after": answer["last_id"]}
    return after["after"]


def measure(histories: list[History], *, rounds: int) -> dict[str, list[list[float]]]:
    """Milliseconds of each request on each history; both in turn, after one round that does not count."""
    took: dict[str, list[list[float]]] = {}
    for number in range(rounds + 1):
        for index, history in enumerate(histories):
            for name, request in history.requests().items():
                begun = time.perf_counter()
                request().raise_for_status()
                if number:
                    times = took.setdefault(name, [[] for _ in histories])
                    times[index].append(1000 * (time.perf_counter() - begun))
    return took


def report(took: dict[str, list[list[float]]], histories: list[History]) -> None:
    sizes = [f"{history.size.messages:,} messages, ms" for history in histories]
    print(f"| request | {' | '.join(sizes)} | ratio | ≤ {BOUND} |\n| --- | --- | --- | --- | --- |")
    for name, times in took.items():
        small, large = map(statistics.median, times)
        verdict = "kept" if large <= BOUND * small else "**missed**"
        print(f"| {name} | {small:.1f} | {large:.1f} | {large / small:.2f} | {verdict} |")


if __name__ == "__main__":
    main()
