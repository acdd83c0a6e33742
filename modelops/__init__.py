"""Engines and models: profiles, the fit check, switching, and what is served now.

ARCHITECTURE.md draws the rooms and who may import whom.
"""
