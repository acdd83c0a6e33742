"""Searches over the titles and messages of an account (docs/adr/0018)."""
