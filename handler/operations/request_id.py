"""The id of a request: the client's own, when it is fit to be logged, else a new one."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import Final

HEADER: Final = b"x-request-id"

_FIT: Final = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,128}")
"""What UUIDs, ULIDs, base64 and trace ids are made of, and nothing that could break a line."""

_NEW_BYTES: Final = 16

current: Final[ContextVar[str]] = ContextVar("request_id", default="")
"""The id of the request that is being answered; empty outside of one."""


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The first X-Request-Id among an ASGI scope's ``headers`` if it fits, else 32 hex digits."""
    for name, value in headers:
        if name == HEADER:
            if _FIT.fullmatch(value):
                return value.decode("ascii")
            break
    return os.urandom(_NEW_BYTES).hex()
