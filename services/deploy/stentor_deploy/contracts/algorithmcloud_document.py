"""One algorithm as an OpenAPI document of its own, to be pasted into an editor: with a field for the token, a
button that picks a file, and an answer that can be saved."""

from typing import Any

BINARY = {"type": "string", "format": "binary"}
ANYTHING: dict[str, Any] = {}
ERROR = {"type": "object", "properties": {"Error": {"type": "string"}}, "required": ["Error"]}


def described(name: str, base: str) -> dict[str, Any]:
    """OpenAPI 3.0, which is what generators of clients read best. `base` is where this server is."""
    return {
        "openapi": "3.0.3",
        "info": {"title": name, "version": "1", "description": f"The algorithm {name!r}."},
        "servers": [{"url": base}],
        "security": [{"Authenticate": []}],
        "components": {
            "securitySchemes": {
                "Authenticate": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "x-access-token",
                    "description": "An API token of this installation",
                }
            }
        },
        "paths": {f"/algorithms/{name}": {"post": _operation(name)}},
    }


def _operation(name: str) -> dict[str, Any]:
    timeout = {
        "name": "timeout",
        "in": "query",
        "required": False,
        "description": "Longest time to wait for the answer, in seconds",
        "schema": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
    }
    return {
        "operationId": "call",
        "summary": f"Call {name}",
        "parameters": [timeout],
        "requestBody": {
            "required": True,
            "description": "The input: a file, JSON, a text, or the URL of a file",
            # The first is what editors show: a button that picks a file.
            "content": {
                "application/octet-stream": {"schema": BINARY},
                "application/json": {"schema": ANYTHING},
                "text/plain": {"schema": {"type": "string"}},
                "text/uri-list": {"schema": {"type": "string"}},
            },
        },
        "responses": {
            "200": {
                "description": "What the algorithm answers",
                "content": {
                    "application/octet-stream": {"schema": BINARY},
                    "application/json": {"schema": ANYTHING},
                    "text/plain": {"schema": {"type": "string"}},
                    "image/png": {"schema": BINARY},
                    "image/jpg": {"schema": BINARY},
                },
            },
            "default": {
                "description": "What is wrong, and what to do",
                "content": {"application/json": {"schema": ERROR}},
            },
        },
    }
