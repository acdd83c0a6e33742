"""The table of clients in `docs/clients.md`: versions from the locks, and what a client has no call for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from gateway.tests.clients.install import NODE_PROGRAMS, REQUIREMENTS
from gateway.tests.clients.matrix import CLIENTS, Client

NPM = " (npm)"


def find_version(client: Client) -> str:
    """The version that is locked. Raises KeyError where none is."""
    if client.is_node:
        lock = json.loads((NODE_PROGRAMS / "package-lock.json").read_text())
        return str(lock["packages"][f"node_modules/{client.package.removesuffix(NPM)}"]["version"])
    locked: dict[str, str] = dict(
        re.findall(r"^([a-z0-9-]+)==([^ ]+)", REQUIREMENTS.read_text(), re.MULTILINE)
    )
    return locked[client.package]


def list_rows() -> Iterator[str]:
    """The table's lines."""
    yield "| client | version | what it does not do |"
    yield "| --- | --- | --- |"
    for client in CLIENTS:
        without = "; ".join(f"{cell}: {reason}" for cell, reason in client.without.items())
        yield f"| {client.package} | {find_version(client)} | {without} |"
