"""Fields that are between a gateway and its engines, and not for clients to set."""

from __future__ import annotations

REFUSED_FIELDS = frozenset(
    {
        *("kv_transfer_params", "ec_transfer_params", "logits_processors", "priority"),
        *("chat_template", "prompt_embeds"),
    }
)
"""Cache transfers name hosts to fetch from, processors name code to import, a priority passes everybody else.
A template is a program that the engine runs (CVE-2025-61620), embeddings are tensors that it unpacks
(CVE-2025-62164)."""

DROPPED_FIELDS = frozenset({"request_id", "cache_salt"})
"""The gateway gives its own."""

OWN_FIELDS = REFUSED_FIELDS | DROPPED_FIELDS
