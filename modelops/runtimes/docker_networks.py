"""The engines' private network: a bridge on which the gateway reaches them and nobody else does."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from docker import APIClient
from docker.errors import APIError

NETWORK_LABEL = "vllm-chat-gateway.network"
REMOVAL_TIMEOUT_S = 5.0
POLL_S = 0.02


def find_or_create_network(api: APIClient, name: str) -> str:
    """Its id, as Docker lets two networks share a name when two make it at once.

    It refuses to start a container while they do, even one that names the id. So whoever came second removes
    its network, and everybody waits for that.
    """
    if found := _find(api, name):
        return _wait_for_only_one(api, name, found)
    made = ""
    with contextlib.suppress(APIError):  # what counts is what is there afterwards
        made = api.create_network(name, driver="bridge", check_duplicate=True, labels={NETWORK_LABEL: name})[
            "Id"
        ]
    found = _find(api, name)
    if not found:
        # Once more, for its error.
        return str(api.create_network(name, driver="bridge", labels={NETWORK_LABEL: name})["Id"])
    if made and made != found[0]:
        with contextlib.suppress(APIError):
            api.remove_network(made)
    return _wait_for_only_one(api, name, found)


def _wait_for_only_one(api: APIClient, name: str, found: list[str]) -> str:
    """The oldest one's id, as soon as it is the only one. One that nobody removes is the start's to name."""
    deadline = time.monotonic() + REMOVAL_TIMEOUT_S
    while len(found) > 1 and time.monotonic() < deadline:
        time.sleep(POLL_S)
        found = _find(api, name) or found
    return found[0]


def _find(api: APIClient, name: str) -> list[str]:
    """Oldest first, which is everybody's choice. Docker's own filter also takes longer names."""
    networks: list[dict[str, Any]] = [item for item in api.networks(names=[name]) if item["Name"] == name]
    return [item["Id"] for item in sorted(networks, key=lambda item: (item["Created"], item["Id"]))]
