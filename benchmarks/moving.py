"""What exports and imports take in memory: `python -m benchmarks.moving [--embedded] [--project FOLDER]`.

One account has CONVERSATIONS of two thirds of a megabyte each. All of them are exported as JSON, deleted for
good and imported from that file, over HTTP. Reported: the size of the file, how long each way took, and how
much the resident memory of the web process grew at most.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks.gateway_process import PROJECT, USERNAME, GatewayProcess, running_gateway
from benchmarks.growth import Result, client_of, watching_memory
from benchmarks.process_usage import read_memory
from benchmarks.stores import Stores, running_stores

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
    with (
        tempfile.TemporaryDirectory(prefix="gwb-") as folder,
        running_stores() as stores,
        running_gateway(
            Stores() if options.embedded else stores,
            engine_port=9,
            folder=Path(folder),
            core=None,
            project=options.project,
        ) as gateway,
    ):
        measure(gateway, Path(folder) / "export.json")


def measure(gateway: GatewayProcess, path: Path) -> None:
    """One round, as lines on the screen."""
    seed(gateway, "add")
    with client_of(gateway, gateway.token_file.read_text().split()[0]) as client:
        # The first of each: what is loaded once is no part of the growth.
        one = client.get("/api/conversations", params={"limit": 1}).json()["data"][0]["id"]
        small = client.get(f"/api/conversations/{one}/export").content
        client.post("/api/conversations/import", content=small).raise_for_status()
        report("export", gateway, lambda: download(client, path), path)
        assert path.stat().st_size >= LEAST_BYTES
        seed(gateway, "remove")
        taken = report("import", gateway, lambda: upload(client, path), path)
        print(f"  {taken}")


def report(what: str, gateway: GatewayProcess, work: Callable[[], object], path: Path) -> object:
    """Do the work, and print what it took."""
    before_kb = read_memory(gateway.process.pid).resident_kb
    result = Result(memory_before_kb=before_kb, memory_most_kb=before_kb)
    begun = time.perf_counter()
    with watching_memory(gateway.process.pid, result):
        done = work()
    took_s = time.perf_counter() - begun
    grown_mb = (result.memory_most_kb - before_kb) / 1024
    print(f"{what}: {path.stat().st_size / 1e6:.1f} MB in {took_s:.1f} s")
    print(f"  web's memory: {before_kb / 1024:.0f} MB before, {grown_mb:+.1f} MB at most")
    return done


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
