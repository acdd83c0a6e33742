"""Export and import of conversations (docs/moving-in.md, docs/adr/0019)."""
