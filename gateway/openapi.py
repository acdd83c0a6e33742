"""What the whole schema shares."""

from __future__ import annotations

from typing import Any

ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": "string", "nullable": True},
                "code": {"type": "string"},
            },
        }
    },
}
ERROR_RESPONSE = {
    "description": "Any failure; `code` says which.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}


def add_gateway_conventions(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """A drf-spectacular hook: the bearer scheme, and the envelope as every operation's failure."""
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = ERROR_SCHEMA
    components.setdefault("securitySchemes", {})["bearer"] = {"type": "http", "scheme": "bearer"}
    result["security"] = [{"bearer": []}]
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", ERROR_RESPONSE)
    return result
