"""Conversations in the admin, for support: everything can be found, and what people wrote is hidden.

Nothing but files' and links' own rows is changed here; each look at somebody else's rows is on record.
"""

from conversations.admin import belongings, feedback, retention, trees

__all__ = ["belongings", "feedback", "retention", "trees"]
