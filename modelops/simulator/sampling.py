"""The sampling fields that chat and text completions share, checked as vLLM checks them."""

from __future__ import annotations

from dataclasses import dataclass

from modelops.simulator.bodies import Body, read_bool, read_float, read_int, read_object
from modelops.simulator.errors import ApiError, invalid_value
from modelops.simulator.faults import PER_REQUEST_FAULTS, STREAM_FAULTS, InjectedFault

MAX_N = 16384
LIMIT_NAMES = ("max_completion_tokens", "max_tokens")


@dataclass(frozen=True, slots=True)
class Sampling:
    """How much text is wanted and where it ends."""

    max_tokens: int | None
    min_tokens: int
    n: int
    seed: int | None
    stop: tuple[str, ...]
    include_stop: bool
    ignore_eos: bool

    def seed_of(self, index: int) -> int | None:
        """The seed of one choice; choices differ, and no seed is as good as a fixed one."""
        return self.seed if index == 0 else (self.seed or 0) + index


@dataclass(frozen=True, slots=True)
class Streaming:
    """Whether the answer is streamed, and which usage the stream reports."""

    stream: bool
    include_usage: bool
    continuous_usage: bool


@dataclass(frozen=True, slots=True)
class Overrides:
    """What ``vllm_xargs`` changes for one request; None leaves the command line's choice."""

    strike: InjectedFault | None
    tokens_per_s: float | None
    first_token_s: float | None


def parse_sampling(
    body: Body,
    *,
    max_model_len: int,
    default_max_tokens: int | None,
    limit_names: tuple[str, ...] = LIMIT_NAMES,
) -> Sampling:
    """Read the sampling fields; raises ApiError 400 with vLLM's wording.

    `limit_names` are the fields that may bound the answer's tokens; the first that is there counts.
    """
    temperature = _check_temperature(read_float(body, "temperature"))
    top_p = read_float(body, "top_p")
    if top_p is not None and not 0 < top_p <= 1:
        raise invalid_value(f"top_p must be in (0, 1], got {top_p}.", param="top_p", value=top_p)
    n = _check_n(read_int(body, "n"), temperature=temperature)
    name = next((each for each in limit_names if body.get(each) is not None), limit_names[-1])
    max_tokens = _check_max_tokens(body, name, max_model_len=max_model_len, default=default_max_tokens)
    min_tokens = _check_min_tokens(read_int(body, "min_tokens") or 0, max_tokens=max_tokens)
    if body.get("logprobs") or body.get("prompt_logprobs") is not None:
        raise invalid_value("logprobs are not available in the simulated engine.", param="logprobs")
    return Sampling(
        max_tokens=max_tokens,
        min_tokens=min_tokens,
        n=n,
        seed=None if temperature == 0 else read_int(body, "seed"),
        stop=_parse_stop(body),
        include_stop=read_bool(body, "include_stop_str_in_output"),
        ignore_eos=read_bool(body, "ignore_eos"),
    )


def _check_temperature(temperature: float | None) -> float | None:
    if temperature is None or 0 <= temperature <= 2:
        return temperature
    wanted = "non-negative" if temperature < 0 else "in [0, 2]"
    raise invalid_value(
        f"temperature must be {wanted}, got {temperature}.", param="temperature", value=temperature
    )


def _check_n(n: int | None, *, temperature: float | None) -> int:
    if n is None:
        return 1
    if n < 1:
        raise ApiError(f"n must be at least 1, got {n}.")
    if n > MAX_N:
        raise ApiError(
            f"n must be at most {MAX_N}, got {n}. To increase this limit, set the "
            "VLLM_MAX_N_SEQUENCES environment variable."
        )
    if n > 1 and temperature == 0:
        raise ApiError(f"n must be 1 when using greedy sampling, got {n}.")
    return n


def _check_max_tokens(body: Body, name: str, *, max_model_len: int, default: int | None) -> int | None:
    max_tokens = read_int(body, name)
    if max_tokens is None:
        return default
    if max_tokens < 1:
        raise invalid_value(
            f"max_tokens must be at least 1, got {max_tokens}.", param="max_tokens", value=max_tokens
        )
    if max_tokens > max_model_len:
        raise invalid_value(
            f"{name}={max_tokens} cannot be greater than max_model_len={max_model_len}. "
            "Please request fewer output tokens.",
            param=name,
            value=max_tokens,
        )
    return max_tokens


def _check_min_tokens(min_tokens: int, *, max_tokens: int | None) -> int:
    if min_tokens < 0:
        raise ApiError(f"min_tokens must be greater than or equal to 0, got {min_tokens}.")
    if max_tokens is not None and min_tokens > max_tokens:
        raise ApiError(f"min_tokens must be less than or equal to max_tokens={max_tokens}, got {min_tokens}.")
    return min_tokens


def _parse_stop(body: Body) -> tuple[str, ...]:
    stop = body.get("stop")
    if stop is None:
        return ()
    strings = (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, list) else None
    if strings is None or not all(isinstance(item, str) for item in strings):
        raise ApiError("stop must be a string or a list of strings.", param="stop")
    if "" in strings:
        raise ApiError("stop cannot contain an empty string.")
    return strings


def parse_streaming(body: Body, *, force_usage: bool = False) -> Streaming:
    """Read ``stream`` and ``stream_options``; continuous usage needs ``include_usage``, as in vLLM."""
    stream = read_bool(body, "stream")
    options = read_object(body, "stream_options")
    if body.get("stream_options") is not None and not stream:
        raise invalid_value("Stream options can only be defined when `stream=True`.", param="stream_options")
    include_usage = read_bool(options, "include_usage") or force_usage
    continuous = include_usage and read_bool(options, "continuous_usage_stats")
    return Streaming(stream=stream, include_usage=include_usage, continuous_usage=continuous)


def parse_overrides(body: Body) -> Overrides:
    """Read ``vllm_xargs``; keys that do not start with ``sim_`` belong to others and are ignored."""
    xargs = read_object(body, "vllm_xargs")
    return Overrides(
        strike=_parse_strike(xargs),
        tokens_per_s=read_float(xargs, "sim_tokens_per_second"),
        first_token_s=read_float(xargs, "sim_first_token_seconds"),
    )


def _parse_strike(xargs: Body) -> InjectedFault | None:
    name = xargs.get("sim_fault")
    if name is None:
        return None
    fault = next((known for known in PER_REQUEST_FAULTS if known == name), None)
    if fault is None:
        allowed = ", ".join(sorted(PER_REQUEST_FAULTS))
        raise ApiError(f"sim_fault must be one of {allowed}; got {name}.", param="vllm_xargs")
    after = read_int(xargs, "sim_after") or 0
    return InjectedFault(
        fault=fault,
        after_tokens=after if fault in STREAM_FAULTS else 0,
        status=read_int(xargs, "sim_status") or 500,
    )
