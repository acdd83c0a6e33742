"""The operators' pages: Django finds this package, whose modules register theirs."""

from modelops.admin import profiles, switches

__all__ = ["profiles", "switches"]
