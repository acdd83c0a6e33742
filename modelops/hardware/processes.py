"""Which processes belong together, by Linux's /proc."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def find_descendants(pids: Iterable[int], *, proc: Path = Path("/proc")) -> frozenset[int]:
    """`pids` and everything they started: an engine's workers hold the GPU memory, not its first process.

    Right only where NVML and /proc count alike: on the host, or in a container with the host's process
    ids. Without /proc just `pids`.
    """
    children: dict[int, list[int]] = defaultdict(list)
    for folder in proc.glob("[0-9]*"):
        parent = _read_parent(folder)
        if parent is not None:
            children[parent].append(int(folder.name))
    found: set[int] = set()
    waiting = list(pids)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.add(pid)
            waiting.extend(children[pid])
    return frozenset(found)


def _read_parent(folder: Path) -> int | None:
    """proc_pid_stat(5): the parent is the second field after the name, which may hold spaces and brackets."""
    try:
        stat = (folder / "stat").read_text(encoding="utf-8", errors="replace")
        return int(stat.rpartition(")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return None
