"""From a request's bytes to what was asked, or to one line that says what was wrong with it."""

from __future__ import annotations

from typing import NoReturn, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from embed.errors import SearchError, shown
from handler.schemas import RecommendRequest, SongsQuery

Asked = TypeVar("Asked", bound=BaseModel)


class InvalidRequestError(SearchError):
    """A request that does not fit; its text names the field, the value, the expectation."""


class MalformedBodyError(InvalidRequestError):
    """A body that is not JSON at all."""


def parse_recommend(body: bytes) -> RecommendRequest:
    """The request in a JSON body. Raises InvalidRequestError."""
    return parse_json(body, RecommendRequest)


def parse_songs(parameters: list[tuple[str, str]]) -> SongsQuery:
    """The request in a query string. Raises InvalidRequestError."""
    return parse_query(parameters, SongsQuery)


def parse_json(body: bytes, model: type[Asked]) -> Asked:
    """The ``model`` in a JSON body. Raises InvalidRequestError."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        _refuse(error, model)


def parse_query(parameters: list[tuple[str, str]], model: type[Asked]) -> Asked:
    """The ``model`` in a query string. Raises InvalidRequestError."""
    given = dict(parameters)
    if len(given) < len(parameters):
        names = [name for name, _ in parameters]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequestError(f"{shown(twice)}: given more than once, expected once")
    try:
        return model.model_validate(given)
    except ValidationError as error:
        _refuse(error, model)


def _refuse(error: ValidationError, model: type[BaseModel]) -> NoReturn:
    details = error.errors(include_url=False, include_context=True)
    if details[0]["type"] == "json_invalid":
        reason = details[0].get("ctx", {}).get("error", "")
        raise MalformedBodyError(f"body: not JSON: {reason}") from None
    raise InvalidRequestError(
        "; ".join(_explain(detail, model) for detail in details[:3])
    ) from None


def _explain(detail: ErrorDetails, model: type[BaseModel]) -> str:
    value = shown(detail["input"])
    if detail["type"] == "seeds":
        return detail["msg"]
    if not detail["loc"]:
        return f"body: {value}, expected a JSON object"
    field, *path = detail["loc"]
    if detail["type"] == "extra_forbidden":
        fields = dict.fromkeys([*model.__annotations__, *model.model_fields])  # its own first
        return f"{shown(field)}: unknown, expected one of {', '.join(fields)}"
    place = "".join(f"[{step}]" for step in path)
    return f"{field}{place}: {value}, expected {model.model_fields[str(field)].description}"
