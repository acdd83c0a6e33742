"""The doctor's answer where the settings cannot be read: nothing else can be looked at then."""

from __future__ import annotations

import json

from gateway.env import ConfigurationError


def report_unreadable_settings(error: ConfigurationError) -> str:
    """As `manage.py doctor --json` prints, with the one finding. Needs no Django."""
    finding = {
        "id": "settings",
        "verdict": "problem",
        "message": str(error),
        "advice": f"Set {error.name} as docs/settings.md says, in .env or in the environment.",
        "facts": {"setting": error.name},
    }
    return json.dumps({"problems": 1, "checks": [finding]}, indent=2, ensure_ascii=False)
