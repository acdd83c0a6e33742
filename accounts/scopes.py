"""The scopes of API keys, and the REST calls that each of them allows.

Sessions and cookies are not narrowed. For keys the REST paths are an allow-list: what is not in it, such
as keys, sessions, passwords and everything an administrator does, is closed to them.
"""

from __future__ import annotations

from django.db import models


class Scope(models.TextChoices):
    CHAT = "chat", "Chat and completions"
    EMBEDDINGS = "embeddings", "Embeddings"
    HISTORY = "history", "Read and change conversations"
    MODELS_READ = "models:read", "See models and their state"


READING = frozenset({"GET", "HEAD", "OPTIONS"})

REST_SCOPES: tuple[tuple[str, frozenset[str] | None, Scope], ...] = (
    # path, methods (None: any), the scope that a key needs
    ("/api/conversations", None, Scope.HISTORY),
    ("/api/folders", None, Scope.HISTORY),
    ("/api/prompts", None, Scope.HISTORY),
    ("/api/shares", None, Scope.HISTORY),
    ("/api/files", None, Scope.HISTORY),
    ("/api/usage", READING, Scope.HISTORY),
    ("/api/models", READING, Scope.MODELS_READ),
)


def scope_for_rest(method: str, path: str) -> Scope | None:
    """The scope that a key needs for this REST call; None when keys may not make it."""
    for prefix, methods, scope in REST_SCOPES:
        is_below = path == prefix or path.startswith(prefix + "/")
        if is_below and (methods is None or method in methods):
            return scope
    return None
