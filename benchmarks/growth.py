"""What one user's growing conversation costs another user: `python -m benchmarks.growth [--project FOLDER]`.

One account sends 16 turns of 3 MB into one conversation, one a second at most, which the default rate limit
allows; each is stored or refused as the gateway decides. Another one chats with short messages before that,
and meanwhile. Reported: that user's median turn before and during, and the resident memory of the web
process before and at its highest.
"""

from __future__ import annotations

import argparse
import secrets
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from benchmarks.gateway_process import PROJECT, GatewayProcess, running_gateway
from benchmarks.process_usage import read_memory
from benchmarks.stores import Stores, running_stores
from modelops.simulator.process import start_simulator

TURNS = 16
TEXT = "글" * 1_000_000
"""3 MB in UTF-8: the longest text that a message may have."""
CHATS_BEFORE = 60
LEAST_CHATS_DURING = 20
SAMPLE_S = 0.05
PAUSE_S = 1.0
CONTEXT_TOKENS = 32_768


@dataclass
class Result:
    before_s: list[float] = field(default_factory=list)
    during_s: list[float] = field(default_factory=list)
    large_s: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    memory_before_kb: int = 0
    memory_most_kb: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=PROJECT, help="the checkout whose gateway to run")
    parser.add_argument("--embedded", action="store_true", help="SQLite and process memory")
    options = parser.parse_args()
    pace = ("--sim-tokens-per-second", "0", "--sim-first-token-seconds", "0")
    flags = ("--served-model-name", "m", "--max-model-len", str(CONTEXT_TOKENS), *pace)
    with (
        tempfile.TemporaryDirectory(prefix="gwb-") as folder,
        running_stores() as stores,
        start_simulator(*flags) as engine,
        running_gateway(
            Stores() if options.embedded else stores,
            engine_port=int(engine.base_url.rpartition(":")[2]),
            folder=Path(folder),
            core=None,
            project=options.project,
        ) as gateway,
    ):
        report(measure(gateway))


def measure(gateway: GatewayProcess) -> Result:
    """One round."""
    result = Result()
    large, small = gateway.token_file.read_text().split()[0], register(gateway)
    with client_of(gateway, small) as client:
        for _ in range(CHATS_BEFORE):
            result.before_s.append(chat(client, body_of("Hello"))[1])
        result.memory_before_kb = result.memory_most_kb = read_memory(gateway.process.pid).resident_kb
        with watching_memory(gateway.process.pid, result):
            writer = threading.Thread(target=write_large, args=(gateway, large, result))
            writer.start()
            while writer.is_alive() or len(result.during_s) < LEAST_CHATS_DURING:
                result.during_s.append(chat(client, body_of("Hello"))[1])
            writer.join()
    return result


def write_large(gateway: GatewayProcess, token: str, result: Result) -> None:
    """The turns of 3 MB, each to the same conversation."""
    with client_of(gateway, token) as client:
        answer, _took_s = chat(client, body_of("Begin"))
        # Made once: this process's other thread measures meanwhile.
        body = body_of(TEXT, conversation_id=answer.json()["conversation_id"])
        for _ in range(TURNS):
            answer, took_s = chat(client, body)
            result.large_s.append(took_s)
            time.sleep(max(0.0, PAUSE_S - took_s))
            code = answer.json()["error"]["code"] if answer.is_error else "answered"
            result.answers[f"{answer.status_code} {code}"] += 1


@contextmanager
def watching_memory(pid: int, result: Result) -> Iterator[None]:
    """Keep the most that the process has resident."""
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(SAMPLE_S):
            result.memory_most_kb = max(result.memory_most_kb, read_memory(pid).resident_kb)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


def register(gateway: GatewayProcess) -> str:
    """The token of another account."""
    account = {"username": "other", "password": secrets.token_urlsafe(16)}
    answer = httpx.post(f"http://127.0.0.1:{gateway.port}/api/auth/register", json=account, timeout=30)
    token: str = answer.raise_for_status().json()["access_token"]
    return token


def client_of(gateway: GatewayProcess, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"http://127.0.0.1:{gateway.port}", headers=headers, timeout=300)


def body_of(content: str, **fields: Any) -> bytes:
    return msgspec.json.encode({"content": content, "max_tokens": 1} | fields)


def chat(client: httpx.Client, body: bytes) -> tuple[httpx.Response, float]:
    begun = time.perf_counter()
    answer = client.post("/api/chat", content=body)
    return answer, time.perf_counter() - begun


def report(result: Result) -> None:
    before, during = statistics.median(result.before_s), statistics.median(result.during_s)
    print(f"{TURNS} turns of {len(TEXT.encode()) / 1e6:.0f} MB: {dict(result.answers)}")
    print(f"  each took {1000 * statistics.median(result.large_s):.0f} ms (median)")
    print(f"another user's turn: median {1000 * before:.1f} ms before ({len(result.before_s)} turns)")
    print(f"  {1000 * during:.1f} ms during ({len(result.during_s)} turns)")
    print(f"  {1000 * max(result.before_s):.0f} and {1000 * max(result.during_s):.0f} ms at most")
    grown_mb = (result.memory_most_kb - result.memory_before_kb) / 1024
    print(f"web's memory: {result.memory_before_kb / 1024:.0f} MB before, {grown_mb:+.0f} MB at most")


if __name__ == "__main__":
    main()
