"""The engines' private network: a bridge on which the gateway reaches them and nobody else does."""

from __future__ import annotations

import contextlib
from typing import Any

from docker import APIClient
from docker.errors import APIError

NETWORK_LABEL = "vllm-chat-gateway.network"


def find_or_create_network(api: APIClient, name: str) -> str:
    """Its id, as Docker lets two networks share a name when two make it at once."""
    if found := _find(api, name):
        return found[0]
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
    return found[0]


def _find(api: APIClient, name: str) -> list[str]:
    """Oldest first, which is everybody's choice. Docker's own filter also takes longer names."""
    networks: list[dict[str, Any]] = [item for item in api.networks(names=[name]) if item["Name"] == name]
    return [item["Id"] for item in sorted(networks, key=lambda item: (item["Created"], item["Id"]))]
