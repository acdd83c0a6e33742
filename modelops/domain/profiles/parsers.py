"""Which parsers an engine is started with, where a profile leaves that to the table of families."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from gateway.wording import fill_in
from modelops.domain.profiles.kinds import AUTO
from modelops.domain.profiles.model_families import ModelFamily, find_family
from modelops.domain.profiles.parser_names import REASONING_PARSERS, TOOL_PARSERS
from modelops.domain.profiles.spec import EngineKind, ProfileSpec

SIMULATED_FAMILY = ModelFamily("simulated engine", "", "hermes", "", "modelops.simulator takes any name")
"""The simulated engine without a repository: it calls tools itself, whatever reads them."""


@dataclass(frozen=True)
class ChosenParsers:
    """The parsers of one profile; empty where there is none. `family` is None for an unknown model."""

    tool_call_parser: str
    reasoning_parser: str
    family: ModelFamily | None


def choose_parsers(spec: ProfileSpec) -> ChosenParsers:
    """What the profile names, and its family's parsers where it says `auto`."""
    family = find_family(spec.repository, spec.config)
    if family is None and spec.engine == EngineKind.SIMULATOR:
        family = SIMULATED_FAMILY
    of_family = (family.tool_call_parser, family.reasoning_parser) if family else ("", "")
    tools, reasoning = (
        known if named == AUTO else named
        for named, known in zip((spec.tool_call_parser, spec.reasoning_parser), of_family, strict=True)
    )
    return ChosenParsers(tools, reasoning, family)


def resolve_parsers(spec: ProfileSpec) -> ProfileSpec:
    """The profile with the names of its parsers in place of `auto`."""
    chosen = choose_parsers(spec)
    return replace(spec, tool_call_parser=chosen.tool_call_parser, reasoning_parser=chosen.reasoning_parser)


def list_parser_notes(spec: ProfileSpec) -> tuple[str, ...]:
    """What to know about tool calls and reasoning of the profile, in the words of the fit report."""
    chosen = choose_parsers(spec)
    if chosen.family is SIMULATED_FAMILY:
        return ()
    return (*_note_tools(spec, chosen), *_note_reasoning(spec, chosen))


def _note_tools(spec: ProfileSpec, chosen: ChosenParsers) -> Iterator[str]:
    named, family = spec.tool_call_parser, chosen.family
    if named == AUTO and family is None:
        yield fill_in(
            "tool calls are off: no parser is known for this model; name one in tool_call_parser if it has"
            " them"
        )
    elif named == AUTO and family is not None and not chosen.tool_call_parser:
        yield fill_in("tool calls are off: {family} is known to have none", family=family.name)
    elif named == AUTO and family is not None:
        yield fill_in(
            "tool calls are read by {parser}, the parser for {family}",
            parser=chosen.tool_call_parser,
            family=family.name,
        )
    elif not named and family is not None and family.tool_call_parser:
        yield fill_in(
            "tool calls are off; with auto in tool_call_parser they are read by {parser}, the parser for"
            " {family}",
            parser=family.tool_call_parser,
            family=family.name,
        )
    elif named not in ("", AUTO) and named not in TOOL_PARSERS and spec.engine != EngineKind.SIMULATOR:
        yield fill_in(
            "{parser} is no parser of tool calls that vLLM 0.32 has; without it the engine does not start",
            parser=named,
        )


def _note_reasoning(spec: ProfileSpec, chosen: ChosenParsers) -> Iterator[str]:
    named, family = spec.reasoning_parser, chosen.family
    if named not in ("", AUTO) and named not in REASONING_PARSERS and spec.engine != EngineKind.SIMULATOR:
        yield fill_in(
            "{parser} is no parser of reasoning that vLLM 0.32 has; without it the engine does not start",
            parser=named,
        )
    elif spec.reasoning_parser == AUTO and family is None:
        yield fill_in("reasoning is not told apart: no parser is known for this model")
    elif spec.reasoning_parser == AUTO and family is not None and chosen.reasoning_parser:
        yield fill_in(
            "reasoning is read by {parser}, the parser for {family}",
            parser=chosen.reasoning_parser,
            family=family.name,
        )
