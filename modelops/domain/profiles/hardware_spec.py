"""A hardware profile as a frozen value: cards to check profiles against, present or not."""

from __future__ import annotations

from dataclasses import dataclass

from modelops.domain.profiles import syntax
from modelops.domain.profiles.kinds import boolean, text, whole
from modelops.domain.profiles.setting import REQUIRED, setting


@dataclass(frozen=True, kw_only=True)
class HardwareSpec:
    """A set of equal cards to check profiles against."""

    slug: str = setting(syntax.SLUG, REQUIRED, "Name of the hardware profile.")
    display_name: str = setting(text(100, may_be_empty=False), REQUIRED, "Name for people.")
    description_en: str = setting(text(2000, many_lines=True), "", "What it stands for, in English.")
    description_ko: str = setting(text(2000, many_lines=True), "", "The same in Korean.")
    gpu_name: str = setting(text(100, may_be_empty=False), REQUIRED, "Name of the card, as its driver says.")
    gpu_count: int = setting(whole(1, 64), REQUIRED, "How many of them.")
    gpu_memory_mib: int | None = setting(
        whole(1024, 4_194_304, is_optional=True), None, "Memory of one card; empty for a card that is known."
    )
    compute_capability: str = setting(
        syntax.COMPUTE_CAPABILITY, "", "Its compute capability; empty for a card that is known."
    )
    has_nvlink: bool = setting(boolean(), False, "Whether the cards are linked directly.")
