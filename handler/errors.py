"""Errors that are the server's to answer and nobody's mistake."""

from __future__ import annotations

from embed.errors import VibeError


class BusyError(VibeError):
    """Too much is being done already; worth trying again in ``retry_after_s`` seconds."""

    def __init__(self, message: str, retry_after_s: int = 2) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LackingError(VibeError):
    """The bundle lacks what this needs; the text says how to add it."""
