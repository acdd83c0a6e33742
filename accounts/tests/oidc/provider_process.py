"""A real identity provider as a process of its own: oidc-provider-mock, on Authlib."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from gateway.tests.live import wait_until
from modelops.simulator.process import find_free_port

MINA: dict[str, Any] = {
    "sub": "248289761001",
    "preferred_username": "mina",
    "email": "mina@example.com",
    "email_verified": True,
    "groups": ["operators"],
}
"""What the provider says of somebody."""


@contextmanager
def start_provider(*people: Mapping[str, Any]) -> Iterator[str]:
    """The issuer. `people` are claims, each with its `sub`."""
    issuer = f"http://127.0.0.1:{find_free_port()}"
    named = [part for claims in people for part in ("--user-claims", json.dumps(claims))]
    command = [
        *(sys.executable, "-W", "ignore", "-m", "oidc_provider_mock"),
        *("--require-nonce", "true", "--port", issuer.rpartition(":")[2], *named),
    ]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def answers() -> bool:
        assert process.poll() is None, "the provider ended"
        try:
            return httpx.get(f"{issuer}/.well-known/openid-configuration").is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, timeout_s=60, what="the provider", poll_s=0.1)
        yield issuer
    finally:
        process.terminate()
        process.wait(15)
