"""What the routes of lists take and give."""

from __future__ import annotations

from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from embed.playlist import MAX_SONGS
from embed.versions import Kind
from handler.schemas import (
    DIVERSITY,
    EXCLUDE,
    MAX_EXCLUDED,
    MAX_NAME_LENGTH,
    MAX_NOT_LIKE,
    MAX_PER_ARTIST,
    MAX_SEEDS,
    NOT_LIKE,
    Name,
    example,
)

MAX_PAIRS: Final = 200
MAX_THESE: Final = 1_000
"""Songs of a list that is given as it is; a body of 64 kB holds about so many names."""

_NAME: Final = f"a name of 1 to {MAX_NAME_LENGTH:,} characters"
_KINDS: Final = (["from", "to"], ["songs"], ["these"])


class PlaylistRequest(BaseModel):
    """Songs on the way ``from`` one ``to`` another, or songs that go on from ``songs``, or
    ``these`` themselves, for whoever wants them as a file."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        json_schema_extra={
            "examples": [
                {"from": "in this dark", "to": "get lucky", "n": 10},
                {"songs": ["in this dark", "a new error"], "n": 20, "max_per_artist": 2},
                {"these": ["in this dark", "get lucky", "a new error"]},
            ]
        },
    )

    start: Name | None = Field(None, alias="from", description=_NAME)
    end: Name | None = Field(None, alias="to", description=_NAME)
    songs: list[Name] | None = Field(
        None,
        min_length=1,
        max_length=MAX_SEEDS,
        description=f"1 to {MAX_SEEDS} names of 1 to {MAX_NAME_LENGTH:,} characters",
    )
    these: list[Name] | None = Field(
        None,
        min_length=1,
        max_length=MAX_THESE,
        description=f"1 to {MAX_THESE:,} names of 1 to {MAX_NAME_LENGTH:,} characters",
    )
    n: int = Field(10, ge=1, le=MAX_SONGS, description=f"a whole number from 1 to {MAX_SONGS}")
    exclude: list[Name] = Field([], max_length=MAX_EXCLUDED, description=EXCLUDE)
    not_like: list[Name] = Field([], max_length=MAX_NOT_LIKE, description=NOT_LIKE)
    diversity: float = Field(0.0, ge=0, le=1, description=DIVERSITY)
    max_per_artist: int | None = Field(None, ge=1, description=MAX_PER_ARTIST)

    @model_validator(mode="after")
    def _one_kind_of_list(self) -> Self:
        given = {"from": self.start, "to": self.end, "songs": self.songs, "these": self.these}
        kinds = [name for name, value in given.items() if value is not None]
        if kinds not in _KINDS:
            _refuse(
                "from, to, songs, these: {given} given, expected from and to, or songs, or these",
                " and ".join(kinds) or "none",
            )
        if self.these is not None:
            self._nothing_beside_these()
        elif self.songs is None:
            self._a_way()
        return self

    def _nothing_beside_these(self) -> None:
        """What chooses songs has no meaning where they are chosen."""
        options = ("n", "exclude", "not_like", "diversity", "max_per_artist")
        if others := [name for name in options if name in self.model_fields_set]:
            _refuse("{given}: given, expected nothing beside these", ", ".join(others))

    def _a_way(self) -> None:
        if self.n < 2:
            _refuse(f"n: {{given}}, expected 2 to {MAX_SONGS} with from and to", str(self.n))
        if self.diversity:
            _refuse(
                "diversity: {given}, expected 0 with from and to, where songs follow the way",
                str(self.diversity),
            )


class PairsQuery(BaseModel):
    """Which pairs to list."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: Kind | None = Field(None, description="same, remaster, version, cover or close")
    min_similarity: float = Field(-1.0, ge=-1, le=1, description="a number from -1 to 1")
    limit: int = Field(50, ge=1, le=MAX_PAIRS, description=f"a whole number from 1 to {MAX_PAIRS}")
    cursor: str | None = Field(None, description="the next_cursor of an earlier answer")


class _Answer(BaseModel):
    # As in handler/schemas.py: they document, and are built only when /docs asks.
    model_config = ConfigDict(extra="forbid", defer_build=True)


class ListedSong(_Answer):
    """A song, and its cosine similarity to the one before it, to 4 decimals."""

    song: str
    similarity: float | None = Field(description="null where no song comes before")


class PlaylistResponse(_Answer):
    """Songs in the order they are to be heard. What is optional is absent when empty."""

    model_config = example(
        {
            "matched": ["LEEAAV - IN THIS DARK", "Moderat - A New Error"],
            "songs": [
                {"song": "LEEAAV - IN THIS DARK", "similarity": None},
                {"song": "Moderat - A New Error", "similarity": 0.9077},
            ],
            "error": None,
        }
    )

    matched: list[str] = Field(description="the songs that were meant, in order; [] on an error")
    songs: list[ListedSong]
    error: str | None
    also: dict[str, list[str]] = Field(
        {}, description="other songs that a name may mean, by the name that was asked"
    )
    exclude_unmatched: list[str] = Field([], description="excluded names that mean no song")
    not_like: list[str] = Field([], description="the songs that were meant by not_like, in order")
    suggestions: list[str] = Field([], description="with a 404: the most similarly spelt names")


class PairedSong(_Answer):
    """A song, and which file it is; ``duration_s`` is 0 where it is not known."""

    song: str
    path: str
    duration_s: float


class SongPair(_Answer):
    """Two songs, what they seem to be to each other, and their cosine similarity."""

    kind: Kind
    similarity: float
    songs: list[PairedSong]


class PairsResponse(_Answer):
    """A page of pairs; any but the last may be short, or empty: go on while there is a cursor."""

    model_config = example(
        {
            "pairs": [
                {
                    "kind": "remaster",
                    "similarity": 0.9912,
                    "songs": [
                        {"song": "ABBA - SOS", "path": "a/SOS.flac", "duration_s": 202.5},
                        {
                            "song": "ABBA - SOS (2001 Remaster)",
                            "path": "b/SOS.flac",
                            "duration_s": 203.1,
                        },
                    ],
                }
            ],
            "next_cursor": None,
        }
    )

    pairs: list[SongPair]
    next_cursor: str | None


def _refuse(template: str, given: str) -> None:
    raise PydanticCustomError("together", template, {"given": given})
