"""The service's OpenAPI document."""

from __future__ import annotations

import json
from typing import Any, get_args

from recsys_batch.edge.bodies import Level
from recsys_batch.edge.requests import MAX_N, MAX_SEGMENT_CHARACTERS, MAX_USER_BYTES

_JSON = "application/json"
_STRING = {"type": "string"}


def document(*, default_n: int) -> bytes:
    """Return the OpenAPI 3.1 document of a service that answers `default_n` items by default."""
    paths = {
        "/v1/recommendations/{user}": {"get": _recommendations(default_n)},
        "/healthz": {"get": _probe("Whether a publication is in service.")},
        "/readyz": {"get": _probe("Whether requests should be sent here; the same test.")},
        "/metrics": {"get": _plain("Prometheus metrics.", "text/plain")},
        "/openapi.json": {"get": _plain("This document.", _JSON)},
    }
    return json.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "recsys-batch edge", "version": "1"},
            "paths": paths,
            "components": {"schemas": _SCHEMAS},
        },
        indent=1,
    ).encode()


def _recommendations(default_n: int) -> dict[str, Any]:
    length = {"type": "string", "minLength": 1}
    count = {"type": "integer", "minimum": 1, "maximum": MAX_N, "default": default_n}
    headers = {
        name: {"schema": _STRING}
        for name in ("ETag", "Cache-Control", "X-Publication", "X-Request-Id")
    }
    return {
        "summary": "The first n items of the user's list, else the cohort's, else the region's, "
        "else the global one.",
        "parameters": [
            _parameter("user", "path", {**length, "maxLength": MAX_USER_BYTES}, required=True),
            _parameter("n", "query", count),
            *(
                _parameter(name, "query", {**length, "maxLength": MAX_SEGMENT_CHARACTERS})
                for name in ("region", "cohort")
            ),
            _parameter("If-None-Match", "header", _STRING),
        ],
        "responses": {
            "200": {"description": "The list.", "headers": headers, **_content("Answer")},
            "304": {"description": "The caller's copy is current.", "headers": headers},
            **{
                status: {"description": text, **_content("Error")}
                for status, text in {
                    "400": "The request is not valid.",
                    "404": "There is nothing at this path.",
                    "405": "Only GET and HEAD are answered.",
                    "414": "The path and query are too long.",
                    "503": "No publication is in service yet.",
                }.items()
            },
        },
    }


def _parameter(
    name: str, place: str, schema: dict[str, Any], *, required: bool = False
) -> dict[str, Any]:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _probe(summary: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {
            "200": {"description": "Yes.", **_content("Health")},
            "503": {"description": "No.", **_content("Health")},
        },
    }


def _plain(summary: str, kind: str) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": {"200": {"description": summary, "content": {kind: {}}}},
    }


def _content(schema: str) -> dict[str, Any]:
    return {"content": {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


_SCHEMAS = {
    "Answer": _object(
        publication=_STRING,
        as_of={"type": "string", "format": "date"},
        level={"enum": list(get_args(Level))},
        items={
            "type": "array",
            "items": _object(
                item_id=_STRING, score={"type": "number"}, source=_STRING, reason=_STRING
            ),
        },
    ),
    "Error": _object(error=_object(what=_STRING, where=_STRING, fix=_STRING)),
    "Health": _object(status=_STRING, publication={"type": ["string", "null"]}, refused=_STRING),
}
