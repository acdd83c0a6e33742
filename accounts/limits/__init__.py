"""How much whom is allowed: rules, where they are counted, and what clients are told (docs/limits.md)."""
