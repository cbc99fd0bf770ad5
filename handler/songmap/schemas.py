"""What the map's routes take and give."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

from handler.schemas import MAX_NAME_LENGTH, Name, example

NAMES_PER_PAGE: Final = 10_000
"""About 350 kB of JSON; a Lambda answer may have 6 MB."""

_LAST_PAGE: Final = 1_000_000


class NamesQuery(BaseModel):
    """Which names to list."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: int = Field(
        0, ge=0, le=_LAST_PAGE, description=f"a whole number from 0 to {_LAST_PAGE:,}"
    )
    v: str = Field("", max_length=64, description="a bundle's version, as /map tells it")


class SimilaritiesQuery(BaseModel):
    """What to compare all songs with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    song: Name = Field(
        description=f"a name of 1 to {MAX_NAME_LENGTH:,} characters", examples=["in this dark"]
    )
    v: str = Field("", max_length=64, description="a bundle's version, as /map tells it")


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class MapResponse(_Answer):
    """Where songs lie, by row: row 0 is the first song of /songs."""

    model_config = example(
        {
            "version": "31301c496f4a",
            "songs": 2,
            "points": "TCaJXkM67m0=",
            "artists": "AQAAAAIAAAA=",
            "names_per_page": NAMES_PER_PAGE,
            "previews": True,
            "hint": None,
        }
    )

    version: str
    songs: int
    points: str | None = Field(
        description="uint16 (songs, 2), little-endian, in base64: x and y; null without a map"
    )
    artists: str | None = Field(
        description="uint32 (songs,), little-endian, in base64: equal for songs of one artist"
    )
    names_per_page: int
    previews: bool = Field(description="whether songs can be played, by /previews")
    hint: str | None = Field(description="how to add the map that is missing")


class NamesResponse(_Answer):
    """A page of names by row; empty past the last."""

    model_config = example({"names": ["ABBA - Dancing Queen", "Björk - Army of Me"]})

    names: list[str]


class SimilaritiesResponse(_Answer):
    """How like one song all are."""

    model_config = example(
        {"matched": "ABBA - Dancing Queen", "similarities": "/9k=", "error": None}
    )

    matched: str | None
    similarities: str | None = Field(
        description="uint8 (songs,), in base64: 0 is a cosine of -1, 255 one of 1"
    )
    error: str | None = None
    suggestions: list[str] = Field([], description="with a 404: the most similarly spelt names")
