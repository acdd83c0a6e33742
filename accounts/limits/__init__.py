"""Rate limits and quotas: the rules, the stores that count them, the errors and headers (docs/limits.md)."""
