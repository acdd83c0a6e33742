"""The accounts' pages in the admin. Every change they make goes through the services, on record."""

from accounts.admin import audit, groups, identities, keys, limits, sessions, usage, users

__all__ = ["audit", "groups", "identities", "keys", "limits", "sessions", "usage", "users"]
