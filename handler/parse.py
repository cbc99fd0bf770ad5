"""From a request's bytes to what was asked, or to one line that says what was wrong with it."""

from __future__ import annotations

import json
from typing import Final, NoReturn

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from embed.errors import SearchError
from handler.schemas import RecommendRequest, SongsQuery

_SHOWN_VALUE: Final = 80
"""Characters of a bad value that an error repeats."""


class InvalidRequestError(SearchError):
    """A request that does not fit; its text names the field, the value, the expectation."""


class MalformedBodyError(InvalidRequestError):
    """A body that is not JSON at all."""


def parse_recommend(body: bytes) -> RecommendRequest:
    """The request in a JSON body. Raises InvalidRequestError."""
    try:
        return RecommendRequest.model_validate_json(body)
    except ValidationError as error:
        _refuse(error, RecommendRequest)


def parse_songs(parameters: list[tuple[str, str]]) -> SongsQuery:
    """The request in a query string. Raises InvalidRequestError."""
    given = dict(parameters)
    if len(given) < len(parameters):
        names = [name for name, _ in parameters]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequestError(f"{shown(twice)}: given more than once, expected once")
    try:
        return SongsQuery.model_validate(given)
    except ValidationError as error:
        _refuse(error, SongsQuery)


def shown(value: object) -> str:
    """A value as an error repeats it: a text in quotes, else JSON; cut to 80 characters."""
    try:
        text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (ValueError, TypeError):
        # Python refuses to print a whole number of more than 4,300 digits.
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN_VALUE else text[: _SHOWN_VALUE - 1] + "…"


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
        return f"song, songs: {detail['msg']} given, expected one of them"
    if not detail["loc"]:
        return f"body: {value}, expected a JSON object"
    field, *path = detail["loc"]
    if detail["type"] == "extra_forbidden":
        fields = dict.fromkeys([*model.__annotations__, *model.model_fields])  # its own first
        return f"{shown(field)}: unknown, expected one of {', '.join(fields)}"
    place = "".join(f"[{step}]" for step in path)
    return f"{field}{place}: {value}, expected {model.model_fields[str(field)].description}"
