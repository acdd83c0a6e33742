"""The settings of saved conversations."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.env import parse_boolean, setting, whole_number


@dataclass(frozen=True, kw_only=True)
class ConversationConfig:
    """A part of `gateway.conf.GatewayConfig`."""

    deleted_conversation_days: int = setting(
        "DELETED_CONVERSATION_DAYS",
        30,
        "How long a deleted conversation can be restored; then `purge_conversations` removes it.",
        whole_number(0, 3650),
    )
    auto_titles: bool = setting(
        "AUTO_TITLES",
        True,
        "New conversations get a title from the model that answered, in the background, unless it is busy.",
        parse_boolean,
    )
    shared_links: bool = setting(
        "SHARED_LINKS",
        False,
        "Lets accounts make links by which anybody who has one reads a conversation of theirs.",
        parse_boolean,
    )
    shared_link_days: int = setting(
        "SHARED_LINK_DAYS", 30, "How long such a link works at most.", whole_number(1, 3650)
    )
