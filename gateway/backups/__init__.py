"""Copies of everything that is worth keeping, in one file each, and their way back (docs/adr/0013)."""
