"""What the generating endpoints share: the model check, ids, pace and the text of the choices."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aiohttp import web

from modelops.simulator.answers import PlannedAnswer
from modelops.simulator.bodies import Body, read_text
from modelops.simulator.engine import SimulatedEngine
from modelops.simulator.errors import model_not_found
from modelops.simulator.flags import VERSION, ServeSettings
from modelops.simulator.generation import DeltaField, GeneratedChoice, GeneratedToken, generate_text
from modelops.simulator.pacing import AnswerPace
from modelops.simulator.replies import NOTHING_RECEIVED, Received, compose_reply
from modelops.simulator.sampling import Overrides, Sampling, Streaming, parse_overrides
from modelops.simulator.wire import Meta, StreamWire

ENGINE: web.AppKey[SimulatedEngine] = web.AppKey("engine", SimulatedEngine)


def check_model(body: Body, settings: ServeSettings) -> None:
    """Raise 404 unless the body names a served model or none at all."""
    model = read_text(body, "model")
    if model and not settings.serves(model):
        raise model_not_found(model, served=settings.served_model_names)


def response_id(request: web.Request, body: Body, prefix: str) -> str:
    """vLLM's id: the ``X-Request-Id`` header, else the body's ``request_id``, else random."""
    own = request.headers.get("X-Request-Id") or body.get("request_id") or secrets.token_hex(8)
    return f"{prefix}-{own}"


def fingerprint(settings: ServeSettings) -> str:
    """``system_fingerprint``, which says that the engine is simulated."""
    parallel = f"-tp{settings.tensor_parallel_size}" if settings.tensor_parallel_size > 1 else ""
    return f"vllm-{VERSION}{parallel}-00000000"


def make_meta(
    request: web.Request,
    body: Body,
    settings: ServeSettings,
    *,
    prompt_tokens: int,
    prefix: str = "",
    own_id: str = "",
) -> Meta:
    """What the parts of one answer repeat. Its id is `own_id`, else made with `prefix`."""
    return Meta(
        request_id=own_id or response_id(request, body, prefix),
        created=int(time.time()),
        model=settings.name_in_answers(read_text(body, "model")),
        fingerprint=fingerprint(settings),
        prompt_tokens=prompt_tokens,
        reports_reasoning=prefix == "chatcmpl" and settings.reasoning_parser is not None,
    )


def _make_pace(settings: ServeSettings, overrides: Overrides) -> AnswerPace:
    simulation = settings.simulation
    first, rate = overrides.first_token_s, overrides.tokens_per_s
    return AnswerPace(
        first_token_s=simulation.first_token_s if first is None else max(0.0, first),
        tokens_per_s=simulation.tokens_per_s if rate is None else max(0.0, rate),
    )


def make_answer(
    engine: SimulatedEngine,
    body: Body,
    *,
    meta: Meta,
    choices: Sequence[GeneratedChoice],
    streaming: Streaming,
    wire: StreamWire,
    whole: Callable[[], bytes],
) -> PlannedAnswer:
    overrides = parse_overrides(body)
    return PlannedAnswer(
        choices=tuple(choices),
        prompt_tokens=meta.prompt_tokens,
        streaming=streaming,
        pace=_make_pace(engine.settings, overrides),
        strike=overrides.strike or engine.faults.strike_next_request(),
        wire=wire,
        whole=whole,
    )


@dataclass(frozen=True, slots=True)
class TextSource:
    """What a text is generated from."""

    prompt: str
    user_text: str
    with_reasoning: bool
    said: str = ""
    """The beginning of the answer, where that is to be continued."""
    received: Received = NOTHING_RECEIVED


def text_choices(
    engine: SimulatedEngine, source: TextSource, *, sampling: Sampling, budget: int, first_index: int = 0
) -> list[GeneratedChoice]:
    if engine.has_lost_weights:
        steps = (GeneratedToken(DeltaField.CONTENT, "!"),) * min(budget, 64)
        return [
            GeneratedChoice(index=first_index + i, steps=steps, finish_reason="length")
            for i in range(sampling.n)
        ]
    return [
        generate_text(
            compose_reply(
                prompt=source.prompt,
                user_text=source.user_text,
                seed=sampling.seed_of(i),
                received=source.received,
            ).after(source.said),
            index=first_index + i,
            sampling=sampling,
            budget=budget,
            with_reasoning=source.with_reasoning,
        )
        for i in range(sampling.n)
    ]
