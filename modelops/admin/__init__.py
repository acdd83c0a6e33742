"""The operators' pages: Django finds this package, whose modules register theirs."""

from modelops.admin import profiles, schedule, slots, switches

__all__ = ["profiles", "schedule", "slots", "switches"]
