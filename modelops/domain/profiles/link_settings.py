"""What several cards need that have no direct path to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from modelops.domain.fit.gpu_catalog import find_card
from modelops.domain.fit.specs import Gpu
from modelops.domain.profiles.spec import ProfileSpec

LINK_SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "extra_flags": {"disable-custom-all-reduce": True},
    "environment": {"NCCL_P2P_DISABLE": "1"},
}
"""Two 3090s without NVLink hang or crawl otherwise."""


def list_link_settings(
    gpus: Sequence[Gpu] | None, ranks: int, *, has_peer_access: bool | None
) -> Mapping[str, Mapping[str, Any]]:
    """The settings that so many ranks need on these cards; none where they reach each other."""
    return {} if ranks < 2 or _reach_each_other(gpus, has_peer_access) else LINK_SETTINGS


def find_missing(spec: ProfileSpec, wanted: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those of the settings about which the profile says nothing."""
    given: Mapping[str, Mapping[str, Any]] = {
        "extra_flags": spec.extra_flags,
        "environment": spec.environment,
    }
    missing = {
        name: {key: value for key, value in values.items() if key not in given[name]}
        for name, values in wanted.items()
    }
    return {name: values for name, values in missing.items() if values}


def _reach_each_other(gpus: Sequence[Gpu] | None, has_peer_access: bool | None) -> bool:
    """Where no reading says so, data-center cards are taken to be linked and others not to be."""
    if has_peer_access is not None:
        return has_peer_access
    cards = [find_card(gpu.name) for gpu in gpus or ()]
    return all(card is not None and card.is_data_center for card in cards)
