"""Use cases of switches: request, plan, cancel, status, events, draining.

Everything here reads and inserts rows. `modelops.switcher` carries switches out, in another process, and
the rules of both are `modelops.domain.switching`'s.
"""
