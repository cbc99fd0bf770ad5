"""What the API takes and gives, and what it says of a request that does not fit.

Each field's description is what an error names as expected, and what /docs shows.
"""

from __future__ import annotations

import json
from typing import Annotated, Final, NoReturn, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from embed.errors import SearchError

MAX_TOP_K: Final = 100
MAX_SEEDS: Final = 50
MAX_EXCLUDED: Final = 100
MAX_PAGE: Final = 1_000
MAX_NAME_LENGTH: Final = 1_000

_SHOWN_VALUE: Final = 80
"""Characters of a bad value that an error repeats."""

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=r"\S")]
Model = TypeVar("Model", bound=BaseModel)


class InvalidRequestError(SearchError):
    """A request that does not fit; its text names the field, the value, the expectation."""


class MalformedBodyError(InvalidRequestError):
    """A body that is not JSON at all."""


class RecommendRequest(BaseModel):
    """One song, or several pooled into one query; exactly one of ``song`` and ``songs``."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        json_schema_extra={"examples": [{"song": "in this dark", "top_k": 3}]},
    )

    song: Name | None = Field(None, description=f"a name of 1 to {MAX_NAME_LENGTH:,} characters")
    songs: list[Name] | None = Field(
        None,
        min_length=1,
        max_length=MAX_SEEDS,
        description=f"1 to {MAX_SEEDS} names of 1 to {MAX_NAME_LENGTH:,} characters",
    )
    top_k: int = Field(5, ge=1, le=MAX_TOP_K, description=f"a whole number from 1 to {MAX_TOP_K}")
    exclude: list[Name] = Field(
        [],
        max_length=MAX_EXCLUDED,
        description=f"up to {MAX_EXCLUDED} names of 1 to {MAX_NAME_LENGTH:,} characters",
    )
    exclude_same_artist: bool = Field(False, description="true or false")
    min_similarity: float = Field(-1.0, ge=-1, le=1, description="a number from -1 to 1")

    @model_validator(mode="after")
    def _one_kind_of_seed(self) -> Self:
        if (self.song is None) == (self.songs is None):
            given = "neither is" if self.song is None else "both are"
            raise PydanticCustomError("seeds", "{given}", {"given": given})
        return self


class SongsQuery(BaseModel):
    """Which songs to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: str = Field(
        "",
        max_length=MAX_NAME_LENGTH,
        description=f"part of a name, up to {MAX_NAME_LENGTH:,} characters",
    )
    limit: int = Field(
        MAX_PAGE, ge=1, le=MAX_PAGE, description=f"a whole number from 1 to {MAX_PAGE:,}"
    )
    cursor: str | None = Field(None, description="the next_cursor of an earlier answer")


class Recommendation(BaseModel):
    """A song and its cosine similarity to the query, to 4 decimals."""

    model_config = ConfigDict(extra="forbid")

    song: str
    similarity: float


class RecommendResponse(BaseModel):
    """Songs by similarity, down, then by name. What is optional is absent when empty."""

    model_config = ConfigDict(extra="forbid")

    matched: str | list[str] | None = Field(
        description="the song that was meant; a list, in order, for songs; null on an error"
    )
    recommendations: list[Recommendation]
    error: str | None
    also: list[str] | dict[str, list[str]] = Field(
        [], description="other songs the name may mean; for songs, by the name that was asked"
    )
    exclude_unmatched: list[str] = Field([], description="excluded names that mean no song")
    suggestions: list[str] = Field([], description="with a 404: the most similarly spelt names")


class SongsResponse(BaseModel):
    """A page of names, by name; ``next_cursor`` is null on the last page."""

    model_config = ConfigDict(extra="forbid")

    songs: list[str]
    next_cursor: str | None


class ModelResponse(BaseModel):
    """The model that made the embeddings; ``kind`` is ``sample`` for the small one shipped."""

    model_config = ConfigDict(extra="forbid")

    id: str
    kind: str
    precision: str


class HealthResponse(BaseModel):
    """What is being served; ``model`` is null for imported embeddings."""

    model_config = ConfigDict(extra="forbid")

    status: str
    songs_loaded: int
    model: ModelResponse | None
    spec: str
    bundle: str


class StatusResponse(BaseModel):
    """A probe's answer."""

    status: str


class ErrorResponse(BaseModel):
    """What was wrong, and what was expected."""

    error: str


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
        return f"{shown(field)}: unknown, expected one of {', '.join(model.model_fields)}"
    place = "".join(f"[{step}]" for step in path)
    return f"{field}{place}: {value}, expected {model.model_fields[str(field)].description}"
