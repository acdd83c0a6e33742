"""What both planes share of HTTP, spoken to as an ASGI server does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from starlette.types import Message, Receive

from gateway.errors import InvalidRequest, ModelLoading, RequestTooLarge
from gateway.http import BodyBound, bounded_receive, check_host, header_value, send_error

END = {"type": "http.disconnect"}


def scope_with(**headers: str) -> dict[str, Any]:
    pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http", "headers": pairs}


def receive_of(messages: Iterable[Message]) -> Receive:
    """A `receive` that hands out `messages`, then stays silent."""
    waiting = iter(messages)

    async def receive() -> Message:
        for message in waiting:
            return message
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    return receive


def body(content: bytes, *, more: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": more}


def test_last_of_several_headers_counts() -> None:
    scope = {"headers": [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")]}

    assert header_value(scope, b"x-a") == "3"
    assert header_value(scope, b"x-c") is None


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("chat.example", ("chat.example",)),
        ("CHAT.example:8080", ("chat.example",)),
        ("a.chat.example", (".chat.example",)),
        ("[::1]:8080", ("[::1]",)),
        ("anything", ("*",)),
    ],
)
def test_own_host_is_let_in(host: str, allowed: tuple[str, ...]) -> None:
    check_host(scope_with(host=host), allowed)


@pytest.mark.parametrize(
    "host", ["evil.example", "chat.example.evil", "chat.example@evil", "chat.example:80:80", "", "a b", "é"]
)
def test_foreign_and_malformed_hosts_are_refused(host: str) -> None:
    with pytest.raises(InvalidRequest):
        check_host(scope_with(host=host), ("chat.example",))


def test_request_without_a_host_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        check_host(scope_with(), ("*",))


async def test_body_within_the_limit_passes_unchanged() -> None:
    messages = [body(b"12345", more=True), body(b"67890")]

    receive = bounded_receive(scope_with(), receive_of(messages), bound=BodyBound(10), timeout_s=5)

    assert [await receive(), await receive()] == messages


def test_declared_length_over_the_limit_is_refused_before_the_first_byte() -> None:
    with pytest.raises(RequestTooLarge):
        bounded_receive(scope_with(content_length="11"), receive_of([]), bound=BodyBound(10), timeout_s=5)


async def test_chunks_are_counted_as_they_come() -> None:
    messages = [body(b"123456", more=True), body(b"789012", more=True)]
    receive = bounded_receive(scope_with(), receive_of(messages), bound=BodyBound(10), timeout_s=5)

    await receive()
    with pytest.raises(RequestTooLarge):
        await receive()


async def test_body_longer_than_declared_is_refused_too() -> None:
    receive = bounded_receive(
        scope_with(content_length="5"), receive_of([body(b"x" * 11)]), bound=BodyBound(10), timeout_s=5
    )

    with pytest.raises(RequestTooLarge):
        await receive()


async def test_bound_grows_once_for_chunks_that_turn_out_to_be_many() -> None:
    async def grow() -> BodyBound:
        return BodyBound(20, "MAX_OTHER")

    messages = [body(b"x" * 9, more=True), body(b"x" * 9, more=True), body(b"x" * 9, more=True)]
    receive = bounded_receive(
        scope_with(), receive_of(messages), bound=BodyBound(10, "MAX_BODY", grow), timeout_s=5
    )

    assert [await receive(), await receive()] == messages[:2]
    with pytest.raises(RequestTooLarge, match="the 20 bytes that MAX_OTHER allows"):
        await receive()


async def test_stalled_body_is_given_up() -> None:
    receive = bounded_receive(
        scope_with(content_length="9"),
        receive_of([body(b"12345", more=True)]),
        bound=BodyBound(10),
        timeout_s=0.02,
    )

    await receive()
    with pytest.raises(InvalidRequest, match=r"stalled for 0\.02 seconds"):
        await receive()


async def test_wait_for_the_disconnect_after_the_body_has_no_limit() -> None:
    receive = bounded_receive(scope_with(), receive_of([body(b"all")]), bound=BodyBound(10), timeout_s=0.01)
    await receive()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await receive()


async def test_disconnect_within_the_body_is_passed_on() -> None:
    receive = bounded_receive(
        scope_with(), receive_of([body(b"12345", more=True), END]), bound=BodyBound(10), timeout_s=5
    )

    await receive()

    assert await receive() == END


async def test_error_is_sent_as_the_envelope_with_its_length_and_headers() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    await send_error(send, ModelLoading("Soon.", retry_after_s=7))

    start, content = sent
    assert start["status"] == 503
    assert dict(start["headers"]) == {
        b"content-type": b"application/json",
        b"content-length": str(len(content["body"])).encode(),
        b"retry-after": b"7",
    }
    assert msgspec.json.decode(content["body"]) == {
        "error": {
            "message": "Soon.",
            "type": "service_unavailable_error",
            "param": None,
            "code": "model_loading",
        }
    }
