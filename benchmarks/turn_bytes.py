"""What a stored turn leaves behind: `python -m benchmarks.turn_bytes [--turns N]`.

Real turns of /api/chat on PostgreSQL and Redis, ten in a conversation, of made-up words that are half Korean:
questions of 150 characters and answers of 1,200. Reported per turn: bytes of the tables with their indexes,
bytes of WAL, commits, and commands to Redis. The index of the search is not there until it is built.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg
import redis

from benchmarks.children import BenchmarkError
from benchmarks.filling import Writer
from benchmarks.gateway_process import GatewayProcess, running_gateway
from benchmarks.stores import Stores, running_stores

QUESTION_CHARS, ANSWER_CHARS = 150, 1_200
TURNS_OF_CONVERSATION = 10
CLIENTS = 8
FIGURES = """
SELECT (SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
        WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace),
       pg_current_wal_lsn() - '0/0',
       (SELECT xact_commit FROM pg_stat_database WHERE datname = current_database())
"""


class Figures(NamedTuple):
    stored_bytes: int
    wal_bytes: int
    commits: int
    redis_commands: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3_000)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="gwb-") as folder,
        running_stores() as stores,
        writing_engine() as engine_port,
    ):
        if stores.missing:
            raise BenchmarkError(stores.missing)
        with running_gateway(stores, engine_port=engine_port, folder=Path(folder), core=None) as gateway:
            before = read_figures(stores)
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(lambda _: converse(gateway), range(options.turns // TURNS_OF_CONVERSATION)))
        # The process has ended: all of its counters are in.
        after = read_figures(stores)
    for name, first, last in zip(Figures._fields, before, after, strict=True):
        print(f"{name.replace('_', ' ')}: {(last - first) / options.turns:,.1f} a turn")


def converse(gateway: GatewayProcess) -> None:
    """One conversation."""
    token, writer = gateway.token_file.read_text().split()[0], Writer()
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{gateway.port}", headers=headers, timeout=60) as client:
        body = {"content": write(writer, QUESTION_CHARS)}
        for _ in range(TURNS_OF_CONVERSATION):
            answer = client.post("/api/chat", json=body).raise_for_status().json()
            body = {
                "content": write(writer, QUESTION_CHARS),
                "conversation_id": answer["conversation_id"],
            }


def write(writer: Writer, length: int) -> str:
    text = ""
    while len(text) < length:
        text += f"{writer.write()} "
    return text[:length]


def read_figures(stores: Stores) -> Figures:
    with (
        psycopg.connect(stores.database_url, autocommit=True) as database,
        redis.Redis.from_url(stores.redis_url) as store,
    ):
        database.execute("VACUUM ANALYZE")
        row = database.execute(FIGURES).fetchone()
        assert row is not None
        stored, wal, commits = map(int, row)
        return Figures(stored, wal, commits, store.info("stats")["total_commands_processed"])


@contextmanager
def writing_engine() -> Iterator[int]:
    """The port of an engine whose answers are of made-up words."""
    writer, turn = Writer(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer("application/json", {"data": [{"id": "m", "object": "model"}]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            with turn:
                text = write(writer, ANSWER_CHARS)
            self._answer(
                "text/event-stream",
                {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": "stop"}]},
                {"choices": [], "usage": {"prompt_tokens": 900, "completion_tokens": 300}},
            )

        def _answer(self, content_type: str, *documents: object) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.end_headers()
            texts = [json.dumps(document, ensure_ascii=False) for document in documents]
            if content_type == "text/event-stream":
                texts = [f"data: {text}\n\n" for text in [*texts, "[DONE]"]]
            self.wfile.write("".join(texts).encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    main()
