"""Which versions of a store a bundle has been: kept beside it, never shipped.

A push replaces the latest version only when this bundle has been that version once (it was
pulled, or pushed from here); else another writer's songs would be lost without a word.
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from embed.errors import StoreError

RECORD_FILE: Final = ".stores.json"
_READ_ONLY: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_KEEP: Final = 100
"""Versions remembered of each store."""


def versions_seen(root: Path, store: str) -> list[str] | None:
    """The versions of ``store`` that the bundle at ``root`` has been, None if it never met it."""
    return _load(root).get(store)


def remember(root: Path, store: str, version: str | None) -> None:
    """Note that the bundle now is ``version`` of ``store``; None: met it while it was empty.

    What lies where nothing can be written never changes, and needs no record. Raises StoreError
    when the disk is full: what was pushed or pulled is in place by then.
    """
    record = _load(root)
    seen = [one for one in record.get(store, []) if one != version]
    record[store] = [*seen, *([] if version is None else [version])][-_KEEP:]
    part = root / f"{RECORD_FILE}.{os.getpid()}"
    try:
        part.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        part.replace(root / RECORD_FILE)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        if error.errno not in _READ_ONLY:
            done = f"the bundle is {version or 'new'} of {store}, which could not be noted"
            raise StoreError(f"{root / RECORD_FILE}: {error.strerror or error}; {done}") from error


def _load(root: Path) -> dict[str, list[str]]:
    try:
        value = json.loads((root / RECORD_FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}  # a torn record costs a question, not a bundle
    return value if isinstance(value, dict) else {}
