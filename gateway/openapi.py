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
                "param": {"type": ["string", "null"]},
                "code": {"type": "string"},
            },
        }
    },
}
ERROR_RESPONSE = {
    "description": "Any failure; `code` says which.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}

ANTHROPIC_ERROR_RESPONSE = {
    "description": "Any failure; `details` say which.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AnthropicError"}}},
}
ANTHROPIC_ERROR_SCHEMA = {
    "type": "object",
    "required": ["type", "error", "request_id"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message", "details"],
            "properties": {
                "type": {"type": "string"},
                "message": {"type": "string"},
                "details": {
                    "type": "object",
                    "required": ["error_code", "param"],
                    "properties": {"error_code": {"type": "string"}, "param": {"type": ["string", "null"]}},
                },
            },
        },
        "request_id": {"type": "string"},
    },
}
"""What `gateway.envelopes` makes of it for Anthropic's clients."""

KEY_HEADERS = ("x-api-key", "api-key")
"""In which `/v1` takes a credential, too (`accounts.credential_headers`)."""

PASSWORD = {"type": "string", "minLength": 1, "maxLength": 1024, "writeOnly": True}
BODIES_OF_DELETE = {
    "/api/auth/me": {
        "type": "object",
        "properties": {"password": PASSWORD},
        "required": ["password"],
        "additionalProperties": False,
    }
}
"""Which drf-spectacular does not describe."""


def add_gateway_conventions(result: dict[str, Any], **_options: Any) -> dict[str, Any]:
    """A drf-spectacular hook: the envelope as every operation's failure, a credential as its default."""
    result.setdefault("components", {}).setdefault("schemas", {})["Error"] = ERROR_SCHEMA
    result["security"] = [{"bearer": []}]
    result["components"].setdefault("securitySchemes", {}).update(
        {name: {"type": "apiKey", "in": "header", "name": name} for name in KEY_HEADERS}
    )
    result["components"]["schemas"]["AnthropicError"] = ANTHROPIC_ERROR_SCHEMA
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].setdefault("default", ERROR_RESPONSE)
    for path, schema in BODIES_OF_DELETE.items():
        content = {"application/json": {"schema": schema}}
        result["paths"][path]["delete"]["requestBody"] = {"content": content, "required": True}
    return result
