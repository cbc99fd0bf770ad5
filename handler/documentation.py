"""What /docs is told of a route, as OpenAPI: FastAPI cannot see it in a bare endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from handler.asgi import Endpoint, reference


@dataclass(frozen=True, slots=True)
class Route:
    """A route; ``answers`` are its models by status, ``takes`` its parameters or its body.

    ``asked`` is the model that ``takes`` refers to. ``nothing`` are the fields of a good answer
    as an error shows them, beside ``error``. A route that is not ``is_documented`` is not in
    /docs: the page's own files.
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

    @property
    def models(self) -> set[type[BaseModel]]:
        """What the documentation refers to."""
        return {*self.answers.values()} | ({self.asked} if self.asked else set())

    def documentation(self) -> dict[str, Any]:
        """What ``FastAPI.add_api_route`` takes to document it."""
        if not self.is_documented:
            return {"include_in_schema": False}
        responses = {
            status: {"description": HTTPStatus(status).phrase, "content": _content(model)}
            for status, model in self.answers.items()
        }
        return {"summary": self.summary, "responses": responses, "openapi_extra": self.takes}


def parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Each field of ``model`` as a parameter of the query string."""
    schemas = model.model_json_schema()["properties"]
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in schemas.items()
    ]


def body(model: type[BaseModel]) -> dict[str, Any]:
    """A JSON body of ``model``."""
    return {"required": True, "content": _content(model)}


def _content(model: type[BaseModel]) -> dict[str, Any]:
    return {"application/json": {"schema": reference(model)}}
