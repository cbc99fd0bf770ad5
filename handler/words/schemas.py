"""What ``/recommend/text`` takes."""

from __future__ import annotations

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ConfigDict, Field, WithJsonSchema

from handler.schemas import Wanted

MAX_TEXT_LENGTH: Final = 1_000
MAX_MINUS: Final = 10

_TEXT: Final = f"a text of 1 to {MAX_TEXT_LENGTH:,} characters, not only spaces"

Text = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_LENGTH, pattern=r"\S")]
_TEXT_SCHEMA: Final = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT_LENGTH,
    "pattern": r"\S",
}
_TEXTS_SCHEMA: Final = {"type": "array", "items": _TEXT_SCHEMA, "maxItems": MAX_MINUS}


def _listed(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    return [value] if isinstance(value, str) else value


class Wish(Wanted):
    """What both ways of asking share."""

    # By python -m export.sample.minus; embed/sample/README.md has the table.
    minus_weight: float = Field(1.0, ge=0, le=2, description="a number from 0 to 2")

    @property
    def sides(self) -> tuple[str, list[str]]:
        """What is wanted, and what is not."""
        raise NotImplementedError


class TextQuery(Wish):
    """Words, as a query string brings them."""

    q: Text = Field(description=_TEXT, examples=["slow dark piano"])
    minus: list[Text] = Field(
        [], max_length=MAX_MINUS, description=f"{_TEXT}, up to {MAX_MINUS} times"
    )

    @property
    def sides(self) -> tuple[str, list[str]]:
        """What is wanted, and what is not."""
        return self.q, self.minus


class TextRequest(Wish):
    """Words, as a JSON body brings them."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": "slow dark piano", "minus": "drums", "top_k": 3}]},
    )

    text: Text = Field(description=_TEXT)
    minus: Annotated[
        list[Text],
        BeforeValidator(_listed),
        WithJsonSchema({"anyOf": [_TEXT_SCHEMA, _TEXTS_SCHEMA]}),
    ] = Field([], max_length=MAX_MINUS, description=f"{_TEXT}, or a list of up to {MAX_MINUS}")

    @property
    def sides(self) -> tuple[str, list[str]]:
        """What is wanted, and what is not."""
        return self.text, self.minus
