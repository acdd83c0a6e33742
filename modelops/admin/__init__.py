"""The operators' pages: Django finds this package, whose modules register theirs."""

from modelops.admin import profiles, slots, switches

__all__ = ["profiles", "slots", "switches"]
