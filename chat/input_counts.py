"""How many texts, documents or chats one field of a request holds."""

from __future__ import annotations

from gateway.errors import InvalidRequest
from gateway.wording import fill_in


def count_inputs(name: str, value: object) -> int:
    """A text or a list of numbers is one input, the latter in tokens; a list of either is a batch.

    Raises InvalidRequest.
    """
    if value is None or isinstance(value, str) or _is_tokens(value):
        return 1
    if name == "messages":
        return count_chats(value)
    if isinstance(value, list) and all(isinstance(item, str) or _is_tokens(item) for item in value):
        return len(value)
    # vLLM would list what is wrong with each of a million entries.
    raise InvalidRequest(fill_in("{name}: expected texts, or lists of token numbers.", name=name), param=name)


def check_inputs(name: str, value: object, *, takes_tokens: bool, limit: int) -> None:
    """At most `limit` of them, and nothing that the engine would name a million mistakes of.

    With `takes_tokens`, a list of numbers is one. Raises InvalidRequest.
    """
    is_list = isinstance(value, list) and not (takes_tokens and _is_tokens(value))
    count = count_chats(value) if name == "messages" else len(value) if is_list else 1  # type: ignore[arg-type]
    if count > limit:
        raise InvalidRequest(
            fill_in("{name}: this gateway allows {limit} entries at most.", name=name, limit=limit),
            param=name,
        )
    if is_list and not all(map(_is_input, value)):  # type: ignore[call-overload]
        raise InvalidRequest(
            fill_in("{name}: expected texts, lists of token numbers, or objects.", name=name), param=name
        )


def _is_input(value: object) -> bool:
    return (
        isinstance(value, str | dict)
        or _is_tokens(value)
        or (isinstance(value, list) and all(isinstance(item, dict) for item in value))
    )


def count_chats(messages: object) -> int:
    """The chats in `messages`: one, or each of a list of them."""
    is_batch = isinstance(messages, list) and any(isinstance(item, list) for item in messages)
    return len(messages) if is_batch else 1  # type: ignore[arg-type]


def _is_tokens(value: object) -> bool:
    # 5.0 is a token to vLLM, "5" is a text.
    return isinstance(value, list) and all(isinstance(item, int | float) for item in value)
