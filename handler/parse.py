"""From a request's bytes to what was asked, or to one line that says what was wrong with it."""

from __future__ import annotations

from typing import NoReturn, TypeVar, get_args, get_origin

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
    return parse_body(body, RecommendRequest)


def parse_songs(parameters: list[tuple[str, str]]) -> SongsQuery:
    """The request in a query string. Raises InvalidRequestError."""
    return parse_query(parameters, SongsQuery)


def parse_body(body: bytes, model: type[Asked]) -> Asked:
    """The ``model`` in a JSON body. Raises InvalidRequestError."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        _refuse(error, model)


def parse_query(parameters: list[tuple[str, str]], model: type[Asked]) -> Asked:
    """The ``model`` in a query string; a field that is a list is given by repeating its name.

    Raises InvalidRequestError.
    """
    given: dict[str, list[str]] = {}
    for name, value in parameters:
        given.setdefault(name, []).append(value)
    values: dict[str, object] = {}
    for name, found in given.items():
        is_list = name in model.model_fields and _is_list(model.model_fields[name].annotation)
        if len(found) > 1 and not is_list:
            raise InvalidRequestError(f"{shown(name)}: given more than once, expected once")
        values[name] = found if is_list else found[0]
    try:
        return model.model_validate(values, strict=False)  # a number is a text here
    except ValidationError as error:
        _refuse(error, model)


def _is_list(annotation: object) -> bool:
    """Whether a field holds a list, perhaps beside None."""
    return get_origin(annotation) is list or any(map(_is_list, get_args(annotation)))


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
    if detail["type"] == "together":
        return detail["msg"]
    if not detail["loc"]:
        return f"body: {value}, expected a JSON object"
    field, *path = detail["loc"]
    if detail["type"] == "extra_forbidden":
        own = dict.fromkeys([*model.__annotations__, *model.model_fields])  # its own first
        fields = [
            model.model_fields[name].alias or name for name in own if name in model.model_fields
        ]
        return f"{shown(field)}: unknown, expected one of {', '.join(fields)}"
    if detail["type"] == "missing":
        value = "missing"
    place = "".join(f"[{step}]" for step in path)
    known = {info.alias or name: info for name, info in model.model_fields.items()}
    return f"{field}{place}: {value}, expected {known[str(field)].description}"
