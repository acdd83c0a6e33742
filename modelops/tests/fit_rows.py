"""Rows and readings for tests of the faces."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from modelops.domain.fit.specs import MIB
from modelops.hardware import GpuLink, GpuProcess, GpuReading, HardwareReading, LinkPath
from modelops.hardware.sampling import record_reading
from modelops.models import ModelProfile
from modelops.tests.domain.fit_examples import make_config

CARD_MIB = 24576
IMAGE = "vllm/vllm-openai:v0.33.0"


def save_profile(slug: str = "eight", **changes: Any) -> ModelProfile:
    """An enabled 8B model in bfloat16 for as many cards as it takes, 8,192 tokens of context."""
    values: dict[str, Any] = {
        "display_name": slug.title(),
        "repository": f"maker/{slug}",
        "image": IMAGE,
        "config": make_config(),
        **changes,
    }
    profile = ModelProfile(slug=slug, **values)
    profile.full_clean()
    profile.save()
    return profile


def save_large(slug: str = "large", **changes: Any) -> ModelProfile:
    """A 70B model in bfloat16, which two 24 GB cards cannot hold."""
    config = make_config(
        hidden_size=8192, num_hidden_layers=80, num_attention_heads=64, intermediate_size=28672
    )
    return save_profile(slug, config=config, **changes)


def save_simulated(slug: str = "pretend") -> ModelProfile:
    return save_profile(
        slug, engine="simulator", runtime="process", image="", repository="", config={}, max_model_len=4096
    )


def make_gpu_reading(
    index: int, *, used_mib: int = 300, processes: tuple[GpuProcess, ...] = ()
) -> GpuReading:
    return GpuReading(
        index=index,
        name="NVIDIA GeForce RTX 3090",
        uuid=f"GPU-0000000{index}-0000-0000-0000-000000000000",
        total_bytes=CARD_MIB * MIB,
        used_bytes=used_mib * MIB,
        free_bytes=(CARD_MIB - used_mib) * MIB,
        utilization_percent=12,
        temperature_c=41,
        compute_capability=(8, 6),
        processes=processes,
    )


def make_reading(*gpus: GpuReading, taken_at: datetime | None = None) -> HardwareReading:
    """Two idle RTX 3090s without a direct path to each other, unless told otherwise."""
    link = GpuLink(0, 1, LinkPath.HOST_BRIDGE, has_peer_access=False)
    return HardwareReading(
        taken_at or timezone.now(),
        driver_version="570.124.06",
        cuda_version="12.8",
        gpus=gpus or (make_gpu_reading(0), make_gpu_reading(1)),
        links=(link,) if len(gpus) != 1 else (),
    )


def record(*gpus: GpuReading, age_s: float = 0.0) -> HardwareReading:
    """Store what a sampler would have."""
    reading = make_reading(*gpus, taken_at=timezone.now() - timedelta(seconds=age_s))
    record_reading(reading, host="box")
    return reading
