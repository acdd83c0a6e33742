"""The request for a switch, the same from the admin, REST, commands and chats."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass

DEFAULT_SLOT = "default"
SHORTEST_CONTEXT = 16
"""Tokens: a block of the KV cache."""
LONGEST_CONTEXT = 20_000_000


@dataclass(frozen=True)
class SwitchRequest:
    """Serve the profile with the slug `profile` on `slot`. What is None is the setting's or the profile's."""

    profile: str
    _: KW_ONLY
    slot: str = DEFAULT_SLOT
    reason: str = ""
    """Kept in the history."""
    force: bool = False
    """Go on although the fit check says no."""
    drain_timeout_s: int | None = None
    """How long running answers get; else SWITCH_DRAIN_TIMEOUT."""
    drain_policy: str | None = None
    """A `DrainPolicy`: what happens to answers that run longer; else SWITCH_DRAIN_POLICY."""
    max_model_len: int | None = None
    """The context in tokens, in place of the profile's."""
    keep_context: bool = False
    """Have the profile ask for `max_model_len` from now on, if the request is accepted."""
