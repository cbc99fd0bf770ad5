"""What keeps a clip from being listened to though nothing is wrong with it."""

from __future__ import annotations

from embed.errors import VibeError


class BusyError(VibeError):
    """As many clips as may wait are waiting."""


class NoModelError(VibeError):
    """The bundle has no model that a clip could be embedded by."""
