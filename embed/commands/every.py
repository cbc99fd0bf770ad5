"""Every command of this package."""

from __future__ import annotations

from typing import Final

from embed.commands.info import info_command
from embed.commands.listing import list_command
from embed.commands.pairs import pairs_command
from embed.commands.playlist import playlist_command
from embed.commands.publish import publish_command
from embed.commands.similar import similar_command
from embed.commands.verify import verify_command

COMMANDS: Final = (
    *(list_command, info_command, similar_command, verify_command),
    *(playlist_command, pairs_command, publish_command),
)
