"""What exports and imports take in memory: `python -m benchmarks.moving [--embedded] [--project FOLDER]`.

One account has CONVERSATIONS of two thirds of a megabyte each. All of them are exported as JSON, deleted for
good and imported from that file, over HTTP, while another account chats. Reported: the size of the file, how
long each way took, how much the resident memory of the web process grew at most, and the other account's
median turn before and meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.gateway_process import PROJECT, USERNAME, GatewayProcess, running_gateway
from benchmarks.growth import CHATS_BEFORE, Result, body_of, chat, client_of, register, watching_memory
from benchmarks.process_usage import read_memory
from benchmarks.stores import Stores, running_stores
from modelops.simulator.process import start_simulator

CONVERSATIONS = 160
TURNS = 80
TEXT_BYTES = 4_000
LEAST_BYTES = 100_000_000
PIECE_BYTES = 2**18


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=PROJECT, help="the checkout whose gateway to run")
    parser.add_argument("--embedded", action="store_true", help="SQLite and process memory")
    options = parser.parse_args()
    pace = ("--sim-tokens-per-second", "0", "--sim-first-token-seconds", "0")
    with (
        tempfile.TemporaryDirectory(prefix="gwb-") as folder,
        running_stores() as stores,
        start_simulator("--served-model-name", "m", *pace) as engine,
        running_gateway(
            Stores() if options.embedded else stores,
            engine_port=int(engine.base_url.rpartition(":")[2]),
            folder=Path(folder),
            core=None,
            project=options.project,
        ) as gateway,
    ):
        measure(gateway, Path(folder) / "export.json")


def measure(gateway: GatewayProcess, path: Path) -> None:
    """One round, as lines on the screen."""
    seed(gateway, "add")
    other = register(gateway)
    with client_of(gateway, other) as client:
        before_s = [chat(client, body_of("Hello"))[1] for _ in range(CHATS_BEFORE)]
    print(f"another user's turn: median {1000 * statistics.median(before_s):.1f} ms before")
    with client_of(gateway, gateway.token_file.read_text().split()[0]) as client:
        # The first of each: what is loaded once is no part of the growth.
        one = client.get("/api/conversations", params={"limit": 1}).json()["data"][0]["id"]
        small = client.get(f"/api/conversations/{one}/export").content
        client.post("/api/conversations/import", content=small).raise_for_status()
        report("export", gateway, other, lambda: download(client, path), path)
        assert path.stat().st_size >= LEAST_BYTES
        seed(gateway, "remove")
        taken = report("import", gateway, other, lambda: upload(client, path), path)
        print(f"  {taken}")


def report(what: str, gateway: GatewayProcess, other: str, work: Callable[[], object], path: Path) -> object:
    """Do the work while the other account chats, and print what it took."""
    before_kb = read_memory(gateway.process.pid).resident_kb
    result = Result(memory_before_kb=before_kb, memory_most_kb=before_kb)
    begun = time.perf_counter()
    is_over = threading.Event()
    chatting = threading.Thread(target=keep_chatting, args=(gateway, other, result, is_over))
    with watching_memory(gateway.process.pid, result):
        chatting.start()
        done = work()
        took_s = time.perf_counter() - begun
        is_over.set()
        chatting.join()
    grown_mb = (result.memory_most_kb - before_kb) / 1024
    print(f"{what}: {path.stat().st_size / 1e6:.1f} MB in {took_s:.1f} s")
    print(f"  web's memory: {before_kb / 1024:.0f} MB before, {grown_mb:+.1f} MB at most")
    during_ms = 1000 * statistics.median(result.during_s)
    print(f"  another user's turn: median {during_ms:.1f} ms ({len(result.during_s)} turns)")
    return done


def keep_chatting(gateway: GatewayProcess, token: str, result: Result, is_over: threading.Event) -> None:
    with client_of(gateway, token) as client:
        while not is_over.is_set():
            result.during_s.append(chat(client, body_of("Hello"))[1])


def download(client: httpx.Client, path: Path) -> None:
    with client.stream("GET", "/api/conversations/export") as response, path.open("wb") as file:
        response.raise_for_status()
        for piece in response.iter_bytes(PIECE_BYTES):
            file.write(piece)


def upload(client: httpx.Client, path: Path) -> object:
    with path.open("rb") as file:
        response = client.post("/api/conversations/import", content=iter(lambda: file.read(PIECE_BYTES), b""))
    return response.raise_for_status().json()["taken"]


def seed(gateway: GatewayProcess, action: str) -> None:
    """Add the conversations, or remove all, in a process with the gateway's settings."""
    command = [sys.executable, "-m", "benchmarks.moving", action]
    subprocess.run(command, cwd=PROJECT, env=dict(gateway.environment), check=True, timeout=300)


def change_rows(action: str) -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    from accounts.models import User
    from conversations.models import Conversation, Message
    from conversations.removal import remove_conversations

    owner = User.objects.get(username=USERNAME)
    if action == "remove":
        remove_conversations(list(Conversation.objects.values_list("pk", flat=True)))
        return
    text = json.dumps([f"word {number}" for number in range(TEXT_BYTES)])[:TEXT_BYTES]
    for _ in range(CONVERSATIONS):
        conversation = Conversation.objects.create(owner=owner)
        rows: list[Message] = []
        for number in range(2 * TURNS):
            rows.append(
                Message(
                    conversation=conversation,
                    owner=owner,
                    parent=rows[-1] if rows else None,
                    role="assistant" if number % 2 else "user",
                    content=text,
                )
            )
        Message.objects.bulk_create(rows)
        Conversation.objects.filter(pk=conversation.pk).update(head=rows[-1])


if __name__ == "__main__":
    if sys.argv[1:] in (["add"], ["remove"]):
        change_rows(sys.argv[1])
    else:
        main()
