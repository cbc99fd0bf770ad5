"""Where a page goes on, as a client hands it back: opaque, and refused when it is not ours."""

from __future__ import annotations

import base64
import binascii

from embed.errors import shown
from handler.parse import InvalidRequestError


def cursor(kind: str, *numbers: int) -> str:
    """A cursor of that ``kind``."""
    text = ":".join([kind, *map(str, numbers)])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def numbers_of(given: str, kind: str, count: int) -> list[int]:
    """The numbers of a cursor, none negative. Raises InvalidRequestError."""
    numbers: list[int] = []
    try:
        text = base64.b64decode(given + "=" * (-len(given) % 4), "-_", validate=True).decode()
        numbers = [int(number) for number in text.removeprefix(f"{kind}:").split(":")]
    except (binascii.Error, ValueError):
        pass
    is_ours = len(numbers) == count and min(numbers) >= 0 and cursor(kind, *numbers) == given
    if not is_ours:
        raise InvalidRequestError(
            f"cursor: {shown(given)}, expected the next_cursor of an earlier answer"
        )
    return numbers
