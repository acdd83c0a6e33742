"""What connects each pair of GPUs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations
from typing import Any

import pynvml

from modelops.hardware.readings import GpuLink, LinkPath

PATHS = {
    pynvml.NVML_TOPOLOGY_INTERNAL: LinkPath.SAME_BOARD,
    pynvml.NVML_TOPOLOGY_SINGLE: LinkPath.PCIE_SWITCH,
    pynvml.NVML_TOPOLOGY_MULTIPLE: LinkPath.PCIE_SWITCHES,
    pynvml.NVML_TOPOLOGY_HOSTBRIDGE: LinkPath.HOST_BRIDGE,
    pynvml.NVML_TOPOLOGY_NODE: LinkPath.NUMA_NODE,
    pynvml.NVML_TOPOLOGY_SYSTEM: LinkPath.SYSTEM,
}

# pynvml's own NVML_P2P_CAPS_INDEX_READ is a tuple by a slip of a comma.
PEER_READ = 0
PEER_NVLINK = 2


def read_links(handles: Mapping[int, Any]) -> tuple[GpuLink, ...]:
    """Every pair of the GPUs in `handles` (by index), the lower index first. Never raises."""
    pairs = list(combinations(sorted(handles), 2))
    if not pairs:
        return ()
    remotes = {index: _list_nvlink_remotes(handle) for index, handle in handles.items()}
    bus_ids = {index: _read_bus_id(handle) for index, handle in handles.items()}
    return tuple(
        _read_link(
            (first, second),
            (handles[first], handles[second]),
            direct_nvlinks=remotes[first].count(bus_ids[second]),
            switched_nvlinks=len(remotes[first]),
        )
        for first, second in pairs
    )


def _read_link(
    indexes: tuple[int, int], handles: tuple[Any, Any], *, direct_nvlinks: int, switched_nvlinks: int
) -> GpuLink:
    """Through NVSwitch no NVLink ends at the other GPU, and the driver still calls the pair connected."""
    nvlinks = direct_nvlinks
    if (
        not nvlinks
        and _ask(pynvml.nvmlDeviceGetP2PStatus, *handles, PEER_NVLINK) == pynvml.NVML_P2P_STATUS_OK
    ):
        nvlinks = switched_nvlinks
    path = PATHS.get(_ask(pynvml.nvmlDeviceGetTopologyCommonAncestor, *handles))
    status = _ask(pynvml.nvmlDeviceGetP2PStatus, *handles, PEER_READ)
    return GpuLink(
        *indexes,
        path=LinkPath.NVLINK if nvlinks else path,
        nvlinks=nvlinks,
        has_peer_access=None if status is None else status == pynvml.NVML_P2P_STATUS_OK,
    )


def _list_nvlink_remotes(handle: Any) -> list[str | None]:
    """The PCI bus id at the far end of each active NVLink."""
    remotes: list[str | None] = []
    for link in range(pynvml.NVML_NVLINK_MAX_LINKS):
        state = _ask(pynvml.nvmlDeviceGetNvLinkState, handle, link)
        if state is None:
            break
        if state == pynvml.NVML_FEATURE_ENABLED:
            pci = _ask(pynvml.nvmlDeviceGetNvLinkRemotePciInfo, handle, link)
            remotes.append(pci.busId if pci else None)
    return remotes


def _read_bus_id(handle: Any) -> str:
    pci = _ask(pynvml.nvmlDeviceGetPciInfo, handle)
    return pci.busId if pci else ""


def _ask(call: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except pynvml.NVMLError:
        return None
