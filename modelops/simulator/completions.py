"""``POST /v1/completions``."""

from __future__ import annotations

from aiohttp import web

from modelops.simulator import tokenizer
from modelops.simulator.answers import send_answer
from modelops.simulator.bodies import Body, decode_body, read_bool
from modelops.simulator.errors import invalid_value
from modelops.simulator.generation import GeneratedChoice, generate_json, token_budget
from modelops.simulator.requests import ENGINE, TextSource, check_model, make_answer, make_meta, text_choices
from modelops.simulator.sampling import parse_sampling, parse_streaming
from modelops.simulator.structured import compose_structured
from modelops.simulator.wire import TextWire, text_completion

_DEFAULT_COMPLETION_TOKENS = 16


async def create_completion(request: web.Request) -> web.StreamResponse:
    """``POST /v1/completions``; several prompts give ``n`` choices each, in order."""
    engine = request.app[ENGINE]
    settings = engine.settings
    body = decode_body(await request.read())
    streaming = parse_streaming(body, force_usage=settings.force_include_usage)
    prompts = read_prompts(body, "prompt")
    check_model(body, settings)
    sampling = parse_sampling(
        body, max_model_len=settings.max_model_len, default_max_tokens=_DEFAULT_COMPLETION_TOKENS
    )
    structured = compose_structured(body)
    counts = [tokenizer.count(prompt) for prompt in prompts]
    choices: list[GeneratedChoice] = []
    for prompt, prompt_tokens in zip(prompts, counts, strict=True):
        budget = token_budget(
            prompt_tokens=prompt_tokens,
            max_model_len=settings.max_model_len,
            max_tokens=sampling.max_tokens,
        )
        if structured is not None:
            choices += [
                generate_json(structured, index=len(choices) + i, sampling=sampling, budget=budget)
                for i in range(sampling.n)
            ]
            continue
        source = TextSource(prompt=prompt, user_text=prompt, with_reasoning=False)
        choices += text_choices(engine, source, sampling=sampling, budget=budget, first_index=len(choices))
    echo = [prompt if read_bool(body, "echo") else "" for prompt in prompts for _ in range(sampling.n)]
    meta = make_meta(request, body, settings, prefix="cmpl", prompt_tokens=sum(counts))
    answer = make_answer(
        engine,
        body,
        meta=meta,
        choices=choices,
        streaming=streaming,
        wire=TextWire(meta, streaming),
        whole=lambda: text_completion(meta, choices, echo=echo),
    )
    return await send_answer(request, engine, answer)


def read_prompts(body: Body, name: str) -> list[str]:
    """A text, a list of texts, a list of token ids, or a list of lists of token ids."""
    value = body.get(name)
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and value:
        if all(isinstance(item, int) for item in value):
            return [tokenizer.decode(value)]
        if all(isinstance(item, str) for item in value):
            return list(value)
        if all(isinstance(item, list) and all(isinstance(i, int) for i in item) for item in value):
            return [tokenizer.decode(item) for item in value]
    raise invalid_value("Either prompt or prompt_embeds must be provided and non-empty.", param=name)
