"""What keeps a clip from being listened to though nothing is wrong with it."""

from __future__ import annotations

from handler.errors import LackingError


class NoModelError(LackingError):
    """The bundle has no model that a clip could be embedded by."""
