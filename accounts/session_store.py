"""Django's sessions in the database (SESSION_ENGINE)."""

from __future__ import annotations

from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """Looks for no cookie that cannot be the key of a session.

    A quoted cookie may hold any character. PostgreSQL refuses some with an error, and each page would be a
    500 for the browser that has the cookie, the one for signing in as well.
    """

    def _validate_session_key(self, key: str) -> bool:
        return bool(super()._validate_session_key(key)) and key.isascii() and key.isalnum()  # type: ignore[misc]
