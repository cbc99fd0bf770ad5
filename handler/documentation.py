"""What /docs is told of a route, as OpenAPI: FastAPI cannot see it in a bare endpoint."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel

from handler.asgi import Endpoint, reference
from handler.lists.formats import PLAYLIST_TYPES
from handler.schemas import ErrorResponse

ERRORS: Final[Mapping[int, str]] = {
    400: "body: not JSON: expected value at line 1 column 1",
    404: "'/nope': no such page, see /docs",
    408: "body: not here after 60 s",
    405: "method: 'PUT', expected POST",
    413: "body: longer than 65536 bytes",
    415: "content-type: 'text/plain', expected application/json",
    422: "top_k: 0, expected a whole number from 1 to 100",
    500: "internal error; the log tells more of request 3f0c0a52b1d64e0f8a3f5b7f1f2a9c11",
    501: "the bundle lacks what this needs",
    503: "bundle/catalogue.sqlite: database disk image is malformed",
}
"""What ``error`` may say, by status, where a route gives no example of its own."""

NOT_FOUND: Final[dict[str, Any]] = {
    "error": "no song is named like 'in this drak'",
    "suggestions": ["LEEAAV - IN THIS DARK"],
}
"""What a name that means no song is answered, beside the fields of a good answer."""

_M3U8: Final = "#EXTM3U\n#EXTINF:200,Moderat - A New Error\nModerat/A New Error.ogg\n"

M3U8: Final[Mapping[str, Any]] = {
    kind: {"schema": {"type": "string"}, "example": _M3U8} for kind in PLAYLIST_TYPES
}
"""A playlist as a file, for whoever asks for that type."""

BUSY: Final[Mapping[str, Any]] = {
    "503": {
        "headers": {
            "Retry-After": {
                "description": "Seconds after which to try again, when all places were taken "
                "or the machine is busy",
                "schema": {"type": "integer"},
            }
        }
    }
}
"""For routes before which others may wait: what their ``takes`` hold as ``responses``."""

NOT_MODIFIED: Final[Mapping[int, Mapping[str, Any]]] = {304: {}}
"""For routes whose answers carry an ETag."""

ALWAYS: Final = (405, 500)
"""What every route can answer: another method than its own, and what nobody foresaw."""

_HEADERS: Final = {
    "X-Request-Id": {
        "description": "the id that was sent as X-Request-Id, or a new one; the log has it too",
        "schema": {"type": "string"},
    }
}


@dataclass(frozen=True, slots=True)
class Route:
    """A route; ``answers`` are its models by status, ``takes`` its parameters or its body.

    ``asked`` is the model that ``takes`` refers to. ``nothing`` are the fields of a good answer
    as an error shows them, beside ``error``. ``examples`` are by status, and where there is none
    that of the model or, for an error, of ``ERRORS`` is shown. ``contents`` are answers by status
    that are no JSON, as OpenAPI has them. A route that is not ``is_documented`` is not in /docs.
    """

    method: str
    path: str
    endpoint: Endpoint
    summary: str
    answers: Mapping[int, type[BaseModel]]
    takes: dict[str, Any] | None = None
    asked: type[BaseModel] | None = None
    nothing: Mapping[str, Any] = field(default_factory=dict)
    is_documented: bool = True
    examples: Mapping[int, Any] = field(default_factory=dict)
    contents: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    tag: str = "operations"

    @property
    def models(self) -> set[type[BaseModel]]:
        """What the documentation refers to."""
        if not self.is_documented:
            return set()
        return {*self._answers().values()} | ({self.asked} if self.asked else set())

    def documentation(self) -> dict[str, Any]:
        """What ``FastAPI.add_api_route`` takes to document it."""
        if not self.is_documented:
            return {"include_in_schema": False}
        contents: dict[int, dict[str, Any]] = {
            status: _content(model, self._example(status, model))
            for status, model in self._answers().items()
        }
        for status, others in self.contents.items():
            contents[status] = {**contents.get(status, {}), **others}
        responses = {
            status: {
                "description": HTTPStatus(status).phrase,
                "headers": _HEADERS,
                "content": contents[status],
            }
            for status in sorted(contents)
        }
        return {
            "summary": self.summary,
            "description": self.endpoint.__doc__ or "",
            "operation_id": _operation_id(self.method, self.path),
            "tags": [self.tag],
            "responses": responses,
            "openapi_extra": self.takes,
        }

    def _answers(self) -> dict[int, type[BaseModel]]:
        # An error has the fields of a good answer where that has any to keep.
        failed = self.answers.get(422, ErrorResponse) if self.nothing else ErrorResponse
        return {**dict.fromkeys(ALWAYS, failed), **self.answers}

    def _example(self, status: int, model: type[BaseModel]) -> object:
        if status in self.examples:
            return self.examples[status]
        if status in ERRORS:
            return {**self.nothing, "error": ERRORS[status]}
        extra = model.model_config.get("json_schema_extra")
        examples = extra.get("examples") if isinstance(extra, dict) else None
        return examples[0] if isinstance(examples, list) else None


def parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Each field of ``model`` as a parameter of the query string, with its first example."""
    document = model.model_json_schema()
    required = document.get("required", [])
    found = []
    for name, schema in document["properties"].items():
        shown = {"example": schema.pop("examples")[0]} if "examples" in schema else {}
        field = {"name": name, "in": "query", "required": name in required, "schema": schema}
        found.append({**field, **shown})
    return found


def body(model: type[BaseModel]) -> dict[str, Any]:
    """A JSON body of ``model``."""
    return {"required": True, "content": _content(model)}


def _content(model: type[BaseModel], example: object = None) -> dict[str, Any]:
    shown = {} if example is None else {"example": example}
    return {"application/json": {"schema": reference(model), **shown}}


def _operation_id(method: str, path: str) -> str:
    """``GET /previews/{id}`` is ``get_previews_id``: what generated clients call it."""
    words = re.findall(r"[A-Za-z0-9]+", path)
    return "_".join([method.lower(), *words])
