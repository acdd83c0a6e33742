"""Connections to engines that really listen: kept, ended, refused, over TLS, by names with many addresses."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import subprocess
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chat import engine_connections
from chat.engine_addresses import Addresses, AddressInfo
from chat.engine_connections import parse_base_url
from chat.upstream import EngineCall, EngineGateway
from gateway.errors import UpstreamTimeout, UpstreamUnavailable

BOUND_S = 10.0
"""When a test gives up."""
CALL = EngineCall("/v1/completions", b"{}")
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntext"


class RawEngine:
    """Answers every request with `answer`, on any number of connections."""

    def __init__(self) -> None:
        self.answer = ANSWER
        self.url = ""
        self.heads: list[str] = []
        self.connections = 0
        self.ended = asyncio.Semaphore(0)
        """Released for each connection that the gateway ended."""
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(CALL.body))
                self.heads.append(head.decode())
                writer.write(self.answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.ended.release()
        writer.close()


@asynccontextmanager
async def listening(*, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawEngine]:
    engine = RawEngine()
    server = await asyncio.start_server(engine.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    engine.url = f"http{'s' if tls else ''}://localhost:{port}"
    async with server:
        yield engine
        for writer in engine.writers:
            writer.close()


@asynccontextmanager
async def gateway(connect_timeout_s: float = BOUND_S) -> AsyncIterator[EngineGateway]:
    opened = EngineGateway(connect_timeout_s=connect_timeout_s)
    try:
        async with asyncio.timeout(BOUND_S):
            yield opened
    finally:
        await opened.close()


async def fetch(opened: EngineGateway, url: str, call: EngineCall = CALL) -> bytes:
    pieces: list[bytes] = []
    async with opened.open(url, call, api_key="key") as answer:
        await answer.relay(pieces.append)
    return b"".join(pieces)


async def test_second_request_uses_the_connection_of_the_first() -> None:
    async with listening() as engine, gateway() as opened:
        answers = [await fetch(opened, engine.url) for _ in range(2)]

    assert answers == [b"text", b"text"]
    assert engine.connections == 1


async def test_connection_that_the_engine_closed_meanwhile_is_not_used() -> None:
    async with listening() as engine, gateway() as opened:
        await fetch(opened, engine.url)
        engine.writers[0].close()
        async with asyncio.timeout(BOUND_S):
            await engine.writers[0].wait_closed()
            await asyncio.sleep(0)  # the gateway's side reads the end

        assert await fetch(opened, engine.url) == b"text"

    assert engine.connections == 2


async def test_connection_that_is_idle_for_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_connections, "KEEP_ALIVE_S", 0.02)
    async with listening() as engine, gateway() as opened:
        await fetch(opened, engine.url)

        await engine.ended.acquire()


async def test_answer_that_nobody_reads_to_its_end_ends_its_connection() -> None:
    async with listening() as engine, gateway() as opened:
        engine.answer = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegin"
        async with opened.open(engine.url, CALL, api_key=""):
            pass

        await engine.ended.acquire()


async def test_request_is_written_as_engines_read_it() -> None:
    async with listening() as engine, gateway() as opened:
        await fetch(opened, engine.url + "/engine one", EngineCall("/v1/x", b"{}", traceparent="00-ab-cd-01"))

    lines = engine.heads[0].split("\r\n")
    assert lines[0] == "POST /engine%20one/v1/x HTTP/1.1"
    assert lines[1] == f"Host: {engine.url.removeprefix('http://')}"
    assert {
        "Content-Type: application/json",
        "Accept-Encoding: identity",
        "Content-Length: 2",
        "Authorization: Bearer key",
        "traceparent: 00-ab-cd-01",
    } <= set(lines)


async def test_name_and_password_of_the_url_are_sent_where_there_is_no_key() -> None:
    async with listening() as engine, gateway() as opened:
        url = engine.url.replace("//", "//user:p%40ss@")
        async with opened.open(url, CALL, api_key=""):
            pass
        async with opened.open(url, CALL, api_key="key"):
            pass

    assert "Authorization: Basic dXNlcjpwQHNz\r\n" in engine.heads[0]
    assert "Authorization: Bearer key\r\n" in engine.heads[1]
    assert all(head.count("Authorization") == 1 for head in engine.heads)


@pytest.mark.parametrize("line_end", ["\r", "\n"])
async def test_header_that_would_be_two_is_never_sent(line_end: str) -> None:
    async with listening() as engine, gateway() as opened:
        with pytest.raises(ValueError, match="line end"):
            await fetch(opened, engine.url, EngineCall("/", b"{}", traceparent=f"a{line_end}X-Admin: 1"))

    assert engine.heads == []


@pytest.mark.parametrize("is_first", [True, False])
async def test_name_with_an_address_that_refuses_is_reached_at_its_other_one(
    monkeypatch: pytest.MonkeyPatch, is_first: bool
) -> None:
    async with listening() as engine, gateway() as opened:
        port = parse_base_url(engine.url).origin.port

        async def find(_self: Addresses, _host: str, _port: int) -> list[AddressInfo]:
            numbers = ["127.0.0.2", "127.0.0.1"] if is_first else ["127.0.0.1", "127.0.0.2"]
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (number, port)) for number in numbers]

        monkeypatch.setattr(Addresses, "find", find)

        assert await fetch(opened, engine.url) == b"text"


async def test_addresses_of_a_name_are_asked_once_and_used_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_more: object) -> list[AddressInfo]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (f"127.0.0.{n}", port)) for n in (1, 2)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    addresses = Addresses()

    found = await asyncio.gather(*(addresses.find("engines.test", 80) for _ in range(4)))

    assert asked == ["engines.test"]
    assert {addresses[0][4][0] for addresses in found} == {"127.0.0.1", "127.0.0.2"}


async def test_name_that_was_not_found_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[list[AddressInfo] | OSError] = [socket.gaierror(-2, "Name or service not known"), []]

    async def getaddrinfo(_host: str, _port: int, **_more: object) -> list[AddressInfo]:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    async with gateway() as opened:
        for _ in range(2):
            with pytest.raises(UpstreamUnavailable, match="does not accept connections"):
                await fetch(opened, "http://engines.test")

    assert answers == []


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate of `localhost` with its key, in one file."""
    path = tmp_path / "engine.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=engine",
    ]
    files = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(path), "-out", str(tmp_path / "c.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)
    path.write_text(path.read_text() + (tmp_path / "c.pem").read_text())
    return path


async def test_engine_behind_tls_is_reached_where_its_certificate_is_known(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    async with listening(tls=tls) as engine:
        async with gateway() as opened:
            with pytest.raises(UpstreamUnavailable, match="does not accept connections"):
                await fetch(opened, engine.url)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with gateway() as opened:
            assert await fetch(opened, engine.url) == b"text"
            with pytest.raises(UpstreamUnavailable):
                await fetch(opened, engine.url.replace("localhost", "127.0.0.1"))

    assert len(engine.heads) == 1


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def encoded(encoding: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"text" * 300_000, mtime=0)),
        ("deflate", zlib.compress(b"text" * 300_000)),
        ("Deflate", raw_deflate(b"text" * 300_000)),
    ],
)
async def test_compressed_answer_is_decoded_a_step_at_a_time(encoding: str, body: bytes) -> None:
    async with listening() as engine, gateway() as opened:
        engine.answer = encoded(encoding, body)
        sizes: list[int] = []
        async with opened.open(engine.url, CALL, api_key="") as answer:
            await answer.relay(lambda data: sizes.append(len(data)))

    assert sum(sizes) == 4 * 300_000
    assert len(sizes) > 2


@pytest.mark.parametrize(
    ("encoding", "body"), [("gzip", gzip.compress(b"text", mtime=0)[:-9]), ("gzip", b"text"), ("br", b"text")]
)
async def test_answer_that_cannot_be_decoded_is_broken_off(encoding: str, body: bytes) -> None:
    async with listening() as engine, gateway() as opened:
        engine.answer = encoded(encoding, body)

        with pytest.raises(UpstreamUnavailable, match="broke off"):
            await fetch(opened, engine.url)


@pytest.mark.parametrize("url", ["ftp://engine", "engine:8000", "http://", "http://engine:70000"])
async def test_what_is_no_url_of_an_engine_is_an_engine_that_is_not_there(url: str) -> None:
    async with gateway() as opened:
        with pytest.raises(UpstreamUnavailable, match="no URL"):
            await fetch(opened, url)


async def test_engine_that_accepts_no_connection_in_time_is_a_time_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        host, port = full.getsockname()
        with socket.create_connection((host, port)):  # fills the backlog: the kernel answers nobody else
            async with gateway(connect_timeout_s=0.05) as opened:
                with pytest.raises(UpstreamTimeout, match="accept a connection"):
                    await fetch(opened, f"http://{host}:{port}")


@pytest.mark.parametrize(
    ("url", "host", "port", "header"),
    [
        ("http://engine", "engine", 80, "engine"),
        ("https://engine:443", "engine", 443, "engine"),
        ("http://[::1]:8000", "::1", 8000, "[::1]:8000"),
        ("http://bücher.example", "xn--bcher-kva.example", 80, "xn--bcher-kva.example"),
    ],
)
def test_url_says_where_to_connect(url: str, host: str, port: int, header: str) -> None:
    read = parse_base_url(url)

    assert (read.origin.host, read.origin.port, read.host_header) == (host, port, header)
