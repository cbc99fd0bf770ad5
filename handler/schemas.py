"""What the API takes and gives.

Each field's description is what an error names as expected, and what /docs shows.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

MAX_TOP_K: Final = 100
MAX_SEEDS: Final = 50
MAX_EXCLUDED: Final = 100
MAX_NOT_LIKE: Final = 50
MAX_PAGE: Final = 1_000
MAX_NAME_LENGTH: Final = 1_000

Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH, pattern=r"\S")]


NOT_LIKE: Final = f"up to {MAX_NOT_LIKE} names of 1 to {MAX_NAME_LENGTH:,} characters"
EXCLUDE: Final = f"up to {MAX_EXCLUDED} names of 1 to {MAX_NAME_LENGTH:,} characters"
DIVERSITY: Final = "a number from 0 to 1"
MAX_PER_ARTIST: Final = "a whole number, 1 or more"


class Wanted(BaseModel):
    """Which of the songs near a query to answer, however the query came."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    top_k: int = Field(5, ge=1, le=MAX_TOP_K, description=f"a whole number from 1 to {MAX_TOP_K}")
    exclude: list[Name] = Field([], max_length=MAX_EXCLUDED, description=EXCLUDE)
    min_similarity: float = Field(-1.0, ge=-1, le=1, description="a number from -1 to 1")
    not_like: list[Name] = Field([], max_length=MAX_NOT_LIKE, description=NOT_LIKE)
    diversity: float = Field(0.0, ge=0, le=1, description=DIVERSITY)
    max_per_artist: int | None = Field(None, ge=1, description=MAX_PER_ARTIST)


class RecommendRequest(Wanted):
    """One song, or several pooled into one query; exactly one of ``song`` and ``songs``."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"song": "in this dark", "top_k": 3}]},
    )

    song: Name | None = Field(None, description=f"a name of 1 to {MAX_NAME_LENGTH:,} characters")
    songs: list[Name] | None = Field(
        None,
        min_length=1,
        max_length=MAX_SEEDS,
        description=f"1 to {MAX_SEEDS} names of 1 to {MAX_NAME_LENGTH:,} characters",
    )
    exclude_same_artist: bool = Field(False, description="true or false")

    @model_validator(mode="after")
    def _one_kind_of_seed(self) -> Self:
        if (self.song is None) == (self.songs is None):
            given = "neither is" if self.song is None else "both are"
            raise PydanticCustomError(
                "together", "song, songs: {given} given, expected one of them", {"given": given}
            )
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


class _Answer(BaseModel):
    # Answers are built as plain dictionaries, five times as fast: these models document them
    # (and the tests hold them to it), so they are built only when /docs asks.
    model_config = ConfigDict(extra="forbid", defer_build=True)


def example(value: dict[str, Any]) -> ConfigDict:
    """The settings of a model whose example in /docs is ``value``."""
    return ConfigDict(json_schema_extra={"examples": [value]})


class Recommendation(_Answer):
    """A song and its cosine similarity to the query, to 4 decimals."""

    song: str
    similarity: float


class RecommendResponse(_Answer):
    """Songs by similarity, down, then by name. What is optional is absent when empty."""

    model_config = example(
        {
            "matched": "LEEAAV - IN THIS DARK",
            "recommendations": [{"song": "Moderat - A New Error", "similarity": 0.9077}],
            "error": None,
        }
    )

    matched: str | list[str] | None = Field(
        description="the song that was meant; a list, in order, for songs; null on an error"
    )
    recommendations: list[Recommendation]
    error: str | None
    also: list[str] | dict[str, list[str]] = Field(
        [], description="other songs the name may mean; for songs, by the name that was asked"
    )
    exclude_unmatched: list[str] = Field([], description="excluded names that mean no song")
    not_like: list[str] = Field([], description="the songs that were meant by not_like, in order")
    suggestions: list[str] = Field([], description="with a 404: the most similarly spelt names")


class SongsResponse(_Answer):
    """A page of names, by name; ``next_cursor`` is null on the last page."""

    model_config = example(
        {"songs": ["ABBA - Dancing Queen", "Björk - Army of Me"], "next_cursor": "cm93OjI"}
    )

    songs: list[str]
    next_cursor: str | None


class ModelResponse(_Answer):
    """The model that made the embeddings; ``kind`` is ``sample`` for the small one shipped."""

    id: str
    kind: str
    precision: str


class EngineResponse(_Answer):
    """The engine that is searched elsewhere. ``circuit`` is closed when all is well; open while
    requests are refused with 503, for ``error``; half-open when the next one tries again."""

    kind: str
    address: str
    collection: str
    circuit: str
    error: str | None


class HealthResponse(_Answer):
    """What is being served; ``model`` is null for imported embeddings. ``index`` is there when
    songs are searched elsewhere (VIBE_INDEX)."""

    model_config = example(
        {
            "status": "ok",
            "songs_loaded": 48,
            "model": {"id": "sample", "kind": "sample", "precision": "fp32"},
            "spec": "5d2f1c0a9b3e",
            "bundle": "8f14e45fceea",
        }
    )

    status: str
    songs_loaded: int
    model: ModelResponse | None
    spec: str
    bundle: str
    index: EngineResponse | None = None


class StatusResponse(_Answer):
    """A probe's answer."""

    model_config = example({"status": "ready"})

    status: str


class ErrorResponse(_Answer):
    """What was wrong, and what was expected."""

    model_config = example({"error": "'/nope': no such page, see /docs"})

    error: str
