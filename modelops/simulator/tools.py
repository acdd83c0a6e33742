"""Which of a request's tools the simulated model calls.

With ``tool_choice: auto`` it goes by the last user message alone, never by what was understood:

- a tool is called whose name is in it, or a word of whose name is (``get_weather`` by "weather"; words that
  say nothing, such as "get", do not count), in whatever case;
- else the first tool is called where the message asks for one: "use a tool", "call the function", "도구";
- several tools that are named so are called at once, but one where ``parallel_tool_calls`` is false;
- once results of tools follow that message, it answers in text.

With ``required`` the same rule chooses among the tools that were not called since that message, and where it
finds none the first of them is called: so agents whose last step is a tool of its own come to an end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelops.simulator import tokenizer
from modelops.simulator.bodies import Body, read_object, read_objects
from modelops.simulator.errors import ApiError, invalid_value
from modelops.simulator.schemas import compose_json

_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+|[^\W\d_a-zA-Z]+")
_FILLERS = (
    "a an and ask be by call can current do final for from function get in is it make me my of on or our "
    "result run set tell that the this to tool use was we what with you your"
)
_EMPTY_WORDS = frozenset(_FILLERS.split(" "))
_ASKS_FOR_A_TOOL = re.compile(
    r"\b(?:use|using|call|calling|invoke)\b[^.?!]{0,40}\b(?:tools?|functions?)\b|도구|툴", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call to make: the tool's name and its arguments as JSON."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolPlan:
    """What becomes of a request's tools. `is_named` where ``tool_choice`` names the function, `has_parser`
    where the engine has a parser for calls."""

    calls: tuple[PlannedCall, ...] = ()
    is_auto: bool = False
    is_named: bool = False
    has_parser: bool = False


def plan_tool_calls(body: Body, messages: Sequence[Body], *, has_parser: bool) -> ToolPlan:
    """The calls that answer a chat request, none where it is answered in text.

    `has_parser` says whether the engine can read calls that the model makes of its own accord. Raises
    ApiError 400 as vLLM does for a choice that it refuses.
    """
    tools = read_objects(body, "tools") if body.get("tools") is not None else None
    choice = body.get("tool_choice", "auto" if tools else "none")
    if tools == []:
        raise invalid_value(
            "`tools` must not be an empty array. Either provide at least one tool or omit the field "
            "entirely.",
            param="tools",
        )
    if choice in ("none", None):
        return ToolPlan()
    if not tools:
        raise invalid_value("When using `tool_choice`, `tools` must be set.", param="tool_choice")
    if choice not in ("auto", "required") and not isinstance(choice, dict):
        raise invalid_value(
            f'Invalid value for `tool_choice`: {choice}! Only named tools, "none", "auto" or "required" '
            "are supported.",
            param="tool_choice",
        )
    functions = [read_object(tool, "function") for tool in tools]
    if isinstance(choice, dict):
        call = _plan_call(_find_named(functions, choice))
        return ToolPlan((call,), is_named=True, has_parser=has_parser)
    if choice == "auto" and not has_parser:
        raise ApiError(
            '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
        )
    chosen = _choose(functions, messages, is_required=choice == "required")
    if body.get("parallel_tool_calls") is False:
        chosen = chosen[:1]
    calls = tuple(_plan_call(each) for each in chosen)
    return ToolPlan(calls, is_auto=choice == "auto", has_parser=has_parser)


def _find_named(functions: Sequence[Body], choice: Body) -> Body:
    wanted = read_object(choice, "function").get("name")
    named = next((function for function in functions if function.get("name") == wanted), None)
    if named is None:
        raise invalid_value(
            "The tool specified in `tool_choice` does not match any of the specified `tools`",
            param="tool_choice",
        )
    return named


def _plan_call(function: Body) -> PlannedCall:
    arguments = compose_json(read_object(function, "parameters") or {"type": "object"})
    return PlannedCall(str(function.get("name")), arguments)


def _choose(functions: Sequence[Body], messages: Sequence[Body], *, is_required: bool) -> list[Body]:
    said = find_user_text(messages)
    if not is_required:
        return [] if list_tool_results(messages) else _find_asked_for(functions, said)
    called = _list_called(messages)
    left = [each for each in functions if each.get("name") not in called] or list(functions[-1:])
    return _find_asked_for(left, said) or left[:1]


def _find_asked_for(functions: Sequence[Body], said: str) -> list[Body]:
    """The tools that the message names, else the first where it asks for a tool."""
    words = {_to_stem(word) for word in _WORDS.findall(said)}
    named = [each for each in functions if _is_named(str(each.get("name", "")), said, words)]
    return named or (list(functions[:1]) if _ASKS_FOR_A_TOOL.search(said) else [])


def _is_named(name: str, said: str, words: set[str]) -> bool:
    if name and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", said, re.IGNORECASE):
        return True
    own = {_to_stem(word) for word in _WORDS.findall(name)} - _EMPTY_WORDS
    return any(len(word) > 1 and word in words for word in own)


def _to_stem(word: str) -> str:
    """The word in lower case and in the singular, as far as that can be told."""
    lower = word.lower()
    return lower[:-1] if len(lower) > 3 and lower.endswith("s") and not lower.endswith("ss") else lower


def find_user_text(messages: Sequence[Body]) -> str:
    """The text of the last user message, empty without one."""
    return next((tokenizer.message_text(each) for each in reversed(messages) if each["role"] == "user"), "")


def _list_since_user(messages: Sequence[Body]) -> list[Body]:
    last = max((number for number, each in enumerate(messages) if each["role"] == "user"), default=-1)
    return list(messages[last + 1 :])


def list_tool_results(messages: Sequence[Body]) -> list[tuple[str, str]]:
    """Name and text of every tool's result that came after the last user message."""
    names = {
        str(call.get("id")): str(_read_function(call).get("name", ""))
        for each in messages
        for call in each.get("tool_calls") or ()
        if isinstance(call, Mapping)
    }
    return [
        (names.get(str(each.get("tool_call_id")), str(each.get("name") or "")), tokenizer.message_text(each))
        for each in _list_since_user(messages)
        if each["role"] == "tool"
    ]


def _list_called(messages: Sequence[Body]) -> set[Any]:
    return {
        _read_function(call).get("name")
        for each in _list_since_user(messages)
        for call in each.get("tool_calls") or ()
        if isinstance(call, Mapping)
    }


def _read_function(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function")
    return function if isinstance(function, Mapping) else {}
