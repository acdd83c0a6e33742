"""A made-up desk for the pictures of the documentation: two RTX 3090s, a busy hour, a card that is hot."""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gateway.tests.pages.pictured_history import NOW
from modelops.domain.fit.specs import GIB

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Route, WebSocketRoute

SERVED = "qwen2-14b-instruct"
TOTAL = 24 * GIB
SAMPLES = 360
HOT = {
    "en": (
        "GPU 0 is hot: 88 °C.",
        "It slows down before it is damaged. Look at fans, dust and the space between the cards, or lower "
        "its power limit: `sudo nvidia-smi -i 0 -pl 280`.",
    ),
    "ko": (
        "GPU 0의 온도가 높습니다: 88 °C.",
        "손상되기 전에 속도가 먼저 느려집니다. 팬, 먼지, 카드 사이의 간격을 확인하거나 "
        "전력 제한을 낮춰 주세요: `sudo nvidia-smi -i 0 -pl 280`.",
    ),
}
CAUSE = {
    "en": "The KV cache cannot hold one request of the context 131,072.",
    "ko": "KV 캐시가 컨텍스트 131,072의 요청 하나를 담을 수 없습니다.",
}


def write_time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def make_point(number: int) -> dict[str, Any]:
    """How busy it was at one of the samples of the last hour."""
    running = max(0, round(5 + 4 * math.sin(number / 24) + 2 * math.sin(number / 5)))
    return {
        "at": write_time(NOW - timedelta(seconds=10 * (SAMPLES - number))),
        "running": running,
        "waiting": max(0, running - 8),
        "kv_cache_usage": running / 13,
        "prompt_tokens_per_s": running * 74.0,
        "generation_tokens_per_s": running * 31.5,
        "first_token_s": 0.12 + running * 0.02 if running else None,
    }


def make_card(index: int, *, others_gib: float, temperature: int) -> dict[str, Any]:
    parts = {
        "weights": 4.9 * GIB,
        "kv_cache": 14.1 * GIB,
        "engine_rest": 1.6 * GIB,
        "others": others_gib * GIB,
    }
    memory = {name: int(size) for name, size in parts.items()}
    stranger = {"pid": 4711, "name": "/usr/bin/blender", "used_bytes": int(1.4 * GIB), "is_ours": False}
    return {
        "index": index,
        "name": "NVIDIA GeForce RTX 3090",
        "memory": {"total": TOTAL, **memory, "free": TOTAL - sum(memory.values())},
        "utilization_percent": 91 - index,
        "temperature_c": temperature,
        "power_w": 331 - 9 * index,
        "power_limit_w": 350,
        "profile": SERVED,
        "is_usable": True,
        "processes": [stranger] if others_gib > 1 else [],
    }


def make_profile(slug: str, name: str, verdict: str, **values: Any) -> dict[str, Any]:
    usual = {"is_default": False, "why": "", "context": 32768, "tensor_parallel_size": 1, "quantization": ""}
    links = dict.fromkeys(("url", "switch_url", "fit_url"), "#")
    return {"slug": slug, "name": name, "verdict": verdict, "limit": "none", **usual, **links, **values}


def make_switch(number: int, source: str, target: str, state: str, **values: Any) -> dict[str, Any]:
    usual = {"via": "admin", "actor": "mina", "slot": "default", "seconds": 94.0, "max_model_len": None}
    outcome = {"is_cancelled": False, "is_failed": state != "active", "cause": None}
    at = write_time(NOW - timedelta(hours=number, minutes=13 * number))
    ends = {"from_profile": source, "to_profile": target, "state": state, "created_at": at}
    return {"id": str(number), "url": "#", **ends, **usual, **outcome, **values}


def make_alarm(language: str) -> dict[str, Any]:
    message, advice = HOT[language]
    alarm = {"code": "gpu_hot", "level": "warn", "message": message, "advice": advice}
    return alarm | {"target": "gpus", "switch": "", "remedies": []}


def make_parts(language: str) -> dict[str, Any]:
    flags = [
        "serve",
        "Qwen/Qwen2.5-14B-Instruct-AWQ",
        "--max-model-len",
        "32768",
        "--tensor-parallel-size",
        "2",
    ]
    engine = {
        "name": "vllm-default-3f9c2ab1-12",
        "url": "#",
        "model_name": SERVED,
        "names": [SERVED],
        "runtime": "docker",
        "image": "vllm/vllm-openai:v0.33.0",
        "arguments": flags,
        "max_model_len": 32768,
        "gpu_name": "NVIDIA GeForce RTX 3090",
        "gpu_count": 2,
        "ready_at": write_time(NOW - timedelta(hours=1, minutes=12)),
    }
    slot = {"slot": "default", "state": "ready", "profile": SERVED, "desired_profile": SERVED}
    usual = {"since": engine["ready_at"], "problem": "", "advice": "", "retry_at": None, "engine": engine}
    return {
        "serving": {
            "slots": [slot | usual],
            "switcher": {"is_alive": True, "host": "gpu-1", "was_seen": True},
        },
        "live": [],
        "load": {"default": make_point(SAMPLES)},
        "gpus": {
            "host": "gpu-1",
            "taken_at": write_time(NOW),
            "cards": [
                make_card(0, others_gib=0.4, temperature=88),
                make_card(1, others_gib=1.8, temperature=71),
            ],
        },
        "profiles": [
            make_profile(SERVED, "Qwen2.5 14B Instruct (AWQ)", "fits", tensor_parallel_size=2),
            make_profile("llama3-8b-instruct", "Llama 3 8B Instruct", "fits", context=8192),
            make_profile("qwen2-7b-instruct", "Qwen2 7B Instruct", "fits"),
            make_profile("deepseek-coder-33b", "DeepSeek Coder 33B (AWQ)", "tight", context=16384),
        ],
        "recent": [
            make_switch(1, "llama3-8b-instruct", SERVED, "active"),
            make_switch(
                2,
                SERVED,
                "llama3-70b",
                "rolled_back",
                cause={"code": "", "message": CAUSE[language]},
                seconds=181.0,
            ),
            make_switch(5, "", "llama3-8b-instruct", "active", actor="jiho", seconds=52.0),
        ],
        "usage": {
            "day": NOW.date().isoformat(),
            "requests": 1284,
            "failed": 3,
            "prompt_tokens": 912_400,
            "completion_tokens": 388_120,
            "users": 17,
        },
        "alarms": [make_alarm(language)],
    }


def show_made_up_desk(context: BrowserContext, language: str) -> None:
    """Have the pages of this browser be told of the made-up desk, in place of the gateway's own."""
    told = json.dumps({"type": "desk", "parts": make_parts(language)})
    points = json.dumps({"slot": "default", "points": [make_point(number) for number in range(SAMPLES)]})

    def answer_socket(socket: WebSocketRoute) -> None:
        socket.send(told)

    def answer_history(route: Route) -> None:
        route.fulfill(body=points, content_type="application/json")

    context.route_web_socket("**/ws/modelops/**", answer_socket)
    context.route("**/api/models/desk/history*", answer_history)
