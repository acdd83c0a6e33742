"""Fills the gateway whose pages are pictured: `fill()` runs within it, by `manage.py shell`."""

from __future__ import annotations

import datetime
from typing import Any

from gateway.tests.pages.pictured_texts import OTHERS, SAVED_PROMPTS, TURNS

NOW = datetime.datetime(2026, 3, 12, 1, 24, tzinfo=datetime.UTC)
"""A Thursday morning in Seoul. The browser's clock stands still at it."""
READER = "minji"
MODEL = "deepseek-r1-distill-qwen-14b"
PINNED, OTHER_MODEL = "회의록 요약", "qwen2.5-14b-instruct"
FOLDERS = ("Infrastructure", "보고서")
SIMULATED: dict[str, Any] = {
    **{"engine": "simulator", "runtime": "process", "image": "", "dtype": "auto", "environment": {}},
    **{"tensor_parallel_size": 1, "gpu_memory_utilization": None, "reasoning_parser": ""},
    "extra_flags": {"sim-startup-seconds": 0, "sim-tokens-per-second": 60},
}
"""Settings of the profile that is loaded: no machine that takes pictures needs a GPU."""


def fill() -> None:
    from accounts.models import User
    from modelops.models import ModelProfile

    ModelProfile.objects.filter(slug=MODEL).update(**SIMULATED)
    ModelProfile.objects.filter(slug__startswith="simulated").update(is_enabled=False)
    reader = User.objects.get(username="demo")
    reader.username, reader.email = READER, "minji@example.com"
    reader.save()
    add_conversations(reader)
    add_usage(reader)
    add_gpus()


def add_conversations(reader: Any) -> None:
    from conversations.models import Folder, SavedPrompt

    for name in FOLDERS:
        Folder.objects.create(owner=reader, name=name)
    for name, prompt in SAVED_PROMPTS.items():
        SavedPrompt.objects.create(owner=reader, title=name, content=prompt)
    for number, (title, (question, reasoning, answer)) in enumerate(TURNS.items()):
        prompt = list(SAVED_PROMPTS.values())[number]
        special = {"reasoning": reasoning, "system_prompt": prompt}
        add_conversation(reader, title, question, answer, minutes_ago=4 + 20 * number, **special)
    for number, (title, question, answer) in enumerate(OTHERS):
        hours_ago = 1 + number**2 * 2.3
        add_conversation(reader, title, question, answer, minutes_ago=round(60 * hours_ago))


def add_conversation(
    reader: Any,
    title: str,
    question: str,
    answer: str,
    *,
    minutes_ago: int,
    reasoning: str = "",
    system_prompt: str = "",
) -> None:
    from conversations.models import Conversation, Message

    used_at = NOW - datetime.timedelta(minutes=minutes_ago)
    model = MODEL if reasoning or minutes_ago % 2 else OTHER_MODEL
    conversation = Conversation.objects.create(
        owner=reader,
        title=title,
        title_source="model",
        model=model,
        system_prompt=system_prompt,
        is_pinned=title == PINNED,
        created_at=used_at,
        updated_at=used_at,
    )
    common = {"conversation": conversation, "owner": reader, "created_at": used_at}
    asked = Message.objects.create(**common, role="user", content=question)
    conversation.head = Message.objects.create(
        **common,
        parent=asked,
        role="assistant",
        content=answer,
        reasoning=reasoning,
        model=model,
        finish_reason="stop",
        prompt_tokens=61,
        completion_tokens=412,
        usage_source="engine",
        ttft_ms=180,
        latency_ms=9_680,
    )
    conversation.save(update_fields=["head"])


def add_usage(reader: Any) -> None:
    from accounts.models import DailyUsage

    for days_ago in range(30):
        day = NOW.date() - datetime.timedelta(days=days_ago)
        if day.weekday() >= 5:
            continue
        for number, model in enumerate((MODEL, OTHER_MODEL)):
            requests = 4 + (days_ago * 7 + number * 5) % 11
            DailyUsage.objects.create(
                user=reader,
                day=day,
                model=model,
                endpoint="/api/chat",
                requests=requests,
                prompt_tokens=requests * 640,
                completion_tokens=requests * (310 + 40 * ((days_ago * 3) % 7)),
                latency_ms=requests * 8_200,
                latency_count=requests,
                ttft_ms=requests * 210,
                ttft_count=requests,
            )


def add_gpus() -> None:
    """Two cards for the fit check, which are seen later than whatever this machine has."""
    from modelops.hardware.readings import GpuReading, HardwareReading
    from modelops.models import HardwareSample

    seen_at = datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC)
    gpus = tuple(
        GpuReading(
            index=index,
            name="NVIDIA GeForce RTX 3090",
            total_bytes=24 << 30,
            used_bytes=0,
            free_bytes=24 << 30,
            compute_capability=(8, 6),
        )
        for index in range(2)
    )
    reading = HardwareReading(taken_at=seen_at, gpus=gpus)
    HardwareSample.objects.create(taken_at=seen_at, host="gpu-box", reading=reading.to_json())
