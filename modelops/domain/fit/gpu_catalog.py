"""Facts about cards by the names that logs and drivers print.

Driver totals are NVML's; engine totals are `torch.cuda.mem_get_info` as printed by public vLLM logs.
Compute capabilities: NVIDIA's list, https://developer.nvidia.com/cuda-gpus.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from modelops.domain.fit.specs import GIB, MIB, Gpu


@dataclass(frozen=True)
class CardFacts:
    """One kind of card. `family` is what the engine's defaults and overheads depend on."""

    pattern: str
    family: str
    compute_capability: tuple[int, int]
    driver_total_mib: int
    engine_total_gib: float
    is_data_center: bool = False


_CARDS: tuple[CardFacts, ...] = (
    CardFacts(r"mi3[05]0x", "cdna", (9, 4), 196592, 191.98, True),
    CardFacts(r"mi250", "cdna", (9, 0), 65520, 63.98, True),
    CardFacts(r"gb10|dgx spark", "blackwell", (12, 1), 124610, 119.7),
    CardFacts(r"b300", "blackwell", (10, 3), 275040, 267.7, True),
    CardFacts(r"g?b200", "blackwell", (10, 0), 183359, 178.4, True),
    CardFacts(r"rtx pro 6000|pro 6000 blackwell", "blackwell", (12, 0), 97887, 94.97),
    CardFacts(r"rtx pro 5000", "blackwell", (12, 0), 48935, 47.4),
    CardFacts(r"rtx pro 4500", "blackwell", (12, 0), 32623, 31.4),
    CardFacts(r"5090", "blackwell", (12, 0), 32607, 31.36),
    CardFacts(r"5080", "blackwell", (12, 0), 16303, 15.47),
    CardFacts(r"5070 ?ti", "blackwell", (12, 0), 16303, 15.47),
    CardFacts(r"5060 ?ti", "blackwell", (12, 0), 16311, 15.48),
    CardFacts(r"gh200", "hopper", (9, 0), 97871, 94.5, True),
    CardFacts(r"h200", "hopper", (9, 0), 143771, 139.8, True),
    CardFacts(r"h20\b", "hopper", (9, 0), 97871, 95.1, True),
    CardFacts(r"h100.*nvl", "hopper", (9, 0), 95830, 93.1, True),
    CardFacts(r"h[18]00", "hopper", (9, 0), 81559, 79.18, True),
    CardFacts(r"l40s?", "ada", (8, 9), 46068, 44.4, True),
    CardFacts(r"\bl4\b", "ada", (8, 9), 23034, 22.05, True),
    CardFacts(r"rtx 6000 ada", "ada", (8, 9), 49140, 47.5),
    CardFacts(r"rtx 5000 ada", "ada", (8, 9), 32760, 31.5),
    CardFacts(r"rtx 4000 ada|rtx 4000 sff", "ada", (8, 9), 20475, 19.6),
    CardFacts(r"4090 ?d|4090", "ada", (8, 9), 24564, 23.65),
    CardFacts(r"4080", "ada", (8, 9), 16376, 15.7),
    CardFacts(r"4070 ?ti super", "ada", (8, 9), 16376, 15.7),
    CardFacts(r"4070", "ada", (8, 9), 12282, 11.7),
    CardFacts(r"4060 ?ti", "ada", (8, 9), 16380, 15.7),
    CardFacts(r"4060", "ada", (8, 9), 8188, 7.75),
    CardFacts(r"a[18]00.*40", "ampere", (8, 0), 40960, 39.5, True),
    CardFacts(r"a[18]00", "ampere", (8, 0), 81920, 79.2, True),
    CardFacts(r"a30\b", "ampere", (8, 0), 24576, 23.6, True),
    CardFacts(r"a10g", "ampere", (8, 6), 23028, 22.06, True),
    CardFacts(r"a10\b", "ampere", (8, 6), 23028, 22.06, True),
    CardFacts(r"a16\b", "ampere", (8, 6), 15356, 14.6, True),
    CardFacts(r"a2\b", "ampere", (8, 6), 15356, 14.6, True),
    CardFacts(r"a40\b", "ampere", (8, 6), 46068, 44.4, True),
    CardFacts(r"a6000", "ampere", (8, 6), 49140, 47.5),
    CardFacts(r"a5000", "ampere", (8, 6), 24564, 23.6),
    CardFacts(r"a4500", "ampere", (8, 6), 20470, 19.6),
    CardFacts(r"a4000", "ampere", (8, 6), 16376, 15.7),
    CardFacts(r"3090", "ampere", (8, 6), 24576, 23.6),
    CardFacts(r"3080 ?ti", "ampere", (8, 6), 12288, 11.7),
    CardFacts(r"3080", "ampere", (8, 6), 10240, 9.7),
    CardFacts(r"3060", "ampere", (8, 6), 12288, 11.7),
    CardFacts(r"orin", "ampere", (8, 7), 62841, 61.3),
    CardFacts(r"\bt4\b", "turing", (7, 5), 15360, 14.58, True),
    CardFacts(r"(quadro )?rtx 8000", "turing", (7, 5), 49152, 47.4),
    CardFacts(r"(quadro )?rtx 6000|titan rtx", "turing", (7, 5), 24576, 23.6),
    CardFacts(r"2080 ?ti", "turing", (7, 5), 11264, 10.75),
    CardFacts(r"v100.*32", "volta", (7, 0), 32768, 31.74, True),
    CardFacts(r"v100", "volta", (7, 0), 16384, 15.77, True),
    CardFacts(r"titan v", "volta", (7, 0), 12288, 11.7),
    CardFacts(r"p100", "pascal", (6, 0), 16384, 15.9, True),
    CardFacts(r"p40\b", "pascal", (6, 1), 24576, 23.9, True),
    CardFacts(r"10[78]0", "pascal", (6, 1), 11264, 10.9),
)


_ON_BOARDS = frozenset({(7, 0), (8, 0), (9, 0), (10, 0), (10, 3)})


@lru_cache(maxsize=256)
def find_card(name: str) -> CardFacts | None:
    """Return what is known of a card by its name, None for a name that is not in the list."""
    lowered = name.lower()
    return next((card for card in _CARDS if re.search(card.pattern, lowered)), None)


def complete_gpu(gpu: Gpu) -> Gpu:
    """Fill in what the name says: compute capability, and the engine's total where the driver's was given.

    A total at (or above) the driver's figure counts memory the engine never sees.
    """
    card = find_card(gpu.name)
    if card is None:
        return gpu
    total, is_typical = gpu.total_bytes, gpu.is_total_typical
    if 0.995 <= total / (card.driver_total_mib * MIB) <= 1.08:
        total, is_typical = int(card.engine_total_gib * GIB), True
    capability = gpu.compute_capability or card.compute_capability
    return replace(gpu, total_bytes=total, compute_capability=capability, is_total_typical=is_typical)


def has_nvlink(gpu: Gpu) -> bool:
    """Whether such cards are usually joined by NVLink: those built onto a board, not into a PCIe slot."""
    card = find_card(gpu.name)
    if card is None or not card.is_data_center or "pcie" in gpu.name.lower():
        return False
    return card.compute_capability in _ON_BOARDS


def find_family(gpu: Gpu) -> str:
    """Return the card's generation, from its name or else its compute capability."""
    card = find_card(gpu.name)
    if card is not None:
        return card.family
    by_major = {6: "pascal", 7: "volta", 8: "ampere", 9: "hopper", 10: "blackwell", 12: "blackwell"}
    return by_major.get(gpu.compute_capability[0], "unknown") if gpu.compute_capability else "unknown"
