"""Where a Milvus is: what VIBE_INDEX and ``--milvus`` take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from embed.errors import EngineError

SCHEME: Final = "milvus+"
COLLECTION: Final = "vibe"
EXPECTED: Final = (
    "milvus+http://host:19530, milvus+https://…, or milvus+file:path.db, "
    "and perhaps ?collection=NAME"
)

# Milvus takes 255 characters; what is added here needs 80.
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,150}")
_FILE: Final = "file:"


@dataclass(frozen=True, slots=True)
class Address:
    """``uri`` as pymilvus takes it, and the name under which catalogues are kept there."""

    uri: str
    collection: str = COLLECTION

    def __str__(self) -> str:
        return self.uri

    @property
    def is_file(self) -> bool:
        """Whether it is a Milvus Lite, inside this process."""
        return "://" not in self.uri


def parse_address(text: str, collection: str | None = None) -> Address:
    """The address in ``text``, with or without ``milvus+``; ``collection`` wins over its own.

    Raises EngineError when it is none. It holds no password: that is VIBE_INDEX_TOKEN's matter.
    """
    plain, _, query = text.removeprefix(SCHEME).partition("?")
    try:
        parts, options = urlsplit(plain), dict(parse_qsl(query, True, True))
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise _not(text) from None
    own = options.pop("collection", COLLECTION)
    name = own if collection is None else collection
    if options or _NAME.fullmatch(name) is None:
        raise _not(text, f", with a name of letters, digits and _, not {name!r}")
    if is_server and not (parts.username or parts.password or parts.fragment):
        return Address(plain.rstrip("/"), name)
    path = plain.removeprefix(_FILE)
    # pymilvus knows Milvus Lite by this ending.
    if not path.endswith(".db") or "://" in path:
        raise _not(text)
    return Address(path.removeprefix("//") if plain.startswith("file:///") else path, name)


def _not(text: str, why: str = "") -> EngineError:
    return EngineError(f"{text!r}, expected {EXPECTED}{why}")
