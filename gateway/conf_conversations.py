"""The settings of saved conversations."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.env import parse_boolean, parse_json_object, seconds, setting, whole_number


@dataclass(frozen=True, kw_only=True)
class ConversationConfig:
    """A part of `gateway.conf.GatewayConfig`."""

    deleted_conversation_days: int = setting(
        "DELETED_CONVERSATION_DAYS",
        30,
        "How long a deleted conversation can be restored; then `prune` removes it.",
        whole_number(0, 3650),
    )
    file_storage: str = setting(
        "FILE_STORAGE",
        "django.core.files.storage.FileSystemStorage",
        "Where attached files are kept: a storage of Django's by its dotted name. The default is the folder "
        "`files` in the data folder, which all web processes have to share.",
    )
    file_storage_options: str = setting(
        "FILE_STORAGE_OPTIONS",
        "{}",
        "The storage's options, an object in JSON. Credentials stay where its library reads them by itself.",
        parse_json_object,
    )
    max_file_bytes: int = setting(
        "MAX_FILE_BYTES", 20 * 2**20, "Largest file that may be attached.", whole_number(1024, 2**30)
    )
    max_image_bytes: int = setting(
        "MAX_IMAGE_BYTES", 5 * 2**20, "Largest image that may be attached.", whole_number(1024, 2**30)
    )
    max_file_text_chars: int = setting(
        "MAX_FILE_TEXT_CHARS",
        1_000_000,
        "Longest text of an attached document, in characters.",
        whole_number(1, 2**26),
    )
    max_prompt_file_bytes: int = setting(
        "MAX_PROMPT_FILE_BYTES",
        10 * 2**20,
        "Images of a stored conversation that one prompt holds, in bytes; the oldest beyond are replaced by "
        "`[image omitted]`.",
        whole_number(0, 2**30),
    )
    unused_file_days: int = setting(
        "UNUSED_FILE_DAYS",
        30,
        "How long a file is kept that no message refers to; then `prune` removes it.",
        whole_number(1, 3650),
    )
    stored_response_days: int = setting(
        "STORED_RESPONSE_DAYS",
        30,
        "How long responses of `/v1/responses` are kept that were stored; 0 stores none. "
        "`prune` removes them.",
        whole_number(0, 3650),
    )
    resume_buffer_bytes: int = setting(
        "RESUME_BUFFER_BYTES",
        4 * 2**20,
        "Largest copy in Redis of a running answer that a client follows by another process than the one "
        "that generates it; a longer answer comes as it is saved, each `CHECKPOINT_INTERVAL`.",
        whole_number(1024, 2**30),
    )
    resume_ttl_s: float = setting(
        "RESUME_TTL", 60.0, "How long such a copy stays after it was last followed.", seconds(3)
    )
    max_import_bytes: int = setting(
        "MAX_IMPORT_BYTES",
        512 * 2**20,
        "Largest file of conversations that may be imported, and what the JSON in an archive, and its files, "
        "may expand to.",
        whole_number(1024, 2**40),
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
