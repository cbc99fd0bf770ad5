"""What can be set from outside: environment variables, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from embed.errors import EngineError, StoreError, VibeError
from embed.m3u8 import is_music_url
from embed.milvus.address import EXPECTED, SCHEME, Address, parse_address
from embed.store.place import Place, parse_place


class SettingsError(VibeError):
    """A setting is missing, or makes no sense."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable; ``default`` None means that it must be given."""

    name: str
    default: str | None
    description: str


SETTINGS: Final = (
    Setting("VIBE_BUNDLE", None, "the bundle to serve: a directory or s3://bucket/prefix"),
    Setting("VIBE_CACHE", "", "where a copy of an s3:// bundle is kept; else ~/.cache/vibe-search"),
    Setting(
        "VIBE_INDEX", "", "milvus+http://host:19530 to search there; else in the bundle's vectors"
    ),
    Setting("VIBE_INDEX_TOKEN", "", "user:password or API key for it"),
    Setting(
        "VIBE_INDEX_TIMEOUT_MS", "2000", "milliseconds that it may take, tries included, 1 or more"
    ),
    Setting("VIBE_HOST", "127.0.0.1", "address to listen on; 0.0.0.0 for every one"),
    Setting("VIBE_PORT", "8000", "port to listen on, 0 to 65535; 0 takes a free one"),
    Setting("VIBE_MAX_BODY_BYTES", "65536", "longest request body, 1 or more"),
    Setting("VIBE_MAX_AUDIO_BYTES", "25000000", "longest audio file to ask by, 1 or more"),
    Setting("VIBE_MAX_AUDIO_S", "900", "seconds that such a file may play, 1 or more"),
    Setting("VIBE_AUDIO_QUEUE", "4", "such files received, waiting or heard at a time, 1 or more"),
    Setting("VIBE_DRAIN_S", "0", "seconds that new requests are still taken on SIGTERM, 0 or more"),
    Setting("VIBE_SHUTDOWN_S", "10", "seconds that running requests get after that, 0 or more"),
    Setting(
        "VIBE_MUSIC_URL", "", "http(s):// or file:// address of the music, for playlists (m3u8)"
    ),
    Setting("VIBE_ACCESS_LOG", "off", "on or off: a line for every request"),
    Setting("VIBE_LOG_FORMAT", "text", "text or json: lines for people, or for what collects them"),
    Setting("VIBE_REVISION", "unknown", "the commit it was built from; the image sets it"),
)
"""Every setting, once; the README's table is held equal to this one by a test."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, in their types."""

    bundle: Place
    cache: Path | None
    index: Address | None
    index_token: str
    index_timeout_ms: int
    host: str
    port: int
    max_body_bytes: int
    max_audio_bytes: int
    max_audio_s: int
    audio_queue: int
    drain_s: int
    shutdown_s: int
    music_url: str | None
    access_log: bool
    is_log_json: bool
    revision: str


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in ``environment``; an empty variable counts as absent.

    Raises SettingsError that names the variable, its value and what was expected.
    """
    values: dict[str, str] = {}
    for setting in SETTINGS:
        value = environment.get(setting.name) or setting.default
        if value is None:
            raise SettingsError(f"{setting.name}: not set, expected {setting.description}")
        values[setting.name] = value
    return Settings(
        bundle=_place(values, "VIBE_BUNDLE"),
        cache=Path(values["VIBE_CACHE"]) if values["VIBE_CACHE"] else None,
        index=_address(values, "VIBE_INDEX"),
        index_token=values["VIBE_INDEX_TOKEN"],
        index_timeout_ms=_number(values, "VIBE_INDEX_TIMEOUT_MS", 1),
        host=values["VIBE_HOST"],
        port=_number(values, "VIBE_PORT", 0, 65_535),
        max_body_bytes=_number(values, "VIBE_MAX_BODY_BYTES", 1),
        max_audio_bytes=_number(values, "VIBE_MAX_AUDIO_BYTES", 1),
        max_audio_s=_number(values, "VIBE_MAX_AUDIO_S", 1),
        audio_queue=_number(values, "VIBE_AUDIO_QUEUE", 1),
        drain_s=_number(values, "VIBE_DRAIN_S", 0),
        shutdown_s=_number(values, "VIBE_SHUTDOWN_S", 0),
        music_url=_music_url(values, "VIBE_MUSIC_URL"),
        access_log=_choice(values, "VIBE_ACCESS_LOG", {"on": True, "off": False}),
        is_log_json=_choice(values, "VIBE_LOG_FORMAT", {"text": False, "json": True}),
        revision=values["VIBE_REVISION"],
    )


def _place(values: Mapping[str, str], name: str) -> Place:
    try:
        return parse_place(values[name])
    except StoreError as error:
        raise SettingsError(f"{name}: {error}") from None


def _address(values: Mapping[str, str], name: str) -> Address | None:
    text = values[name]
    if not text:
        return None
    try:
        if not text.startswith(SCHEME):
            raise EngineError(f"{text!r}, expected {EXPECTED}")
        return parse_address(text)
    except EngineError as error:
        raise SettingsError(f"{name}: {error}") from None


def _music_url(values: Mapping[str, str], name: str) -> str | None:
    url = values[name]
    if url and not is_music_url(url):
        raise SettingsError(
            f"{name}: {url!r}, expected an http, https or file address without a password, "
            "a query or a fragment"
        )
    return url or None


def _number(values: Mapping[str, str], name: str, least: int, most: int | None = None) -> int:
    text = values[name]
    # isdecimal alone lets other scripts' digits pass, and int() takes 1_000 and " 5".
    number = int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else -1
    if number < least or (most is not None and number > most):
        upper = "or more" if most is None else f"to {most}"
        raise SettingsError(f"{name}: {text!r}, expected a whole number, {least} {upper}")
    return number


def _choice(values: Mapping[str, str], name: str, choices: Mapping[str, bool]) -> bool:
    try:
        return choices[values[name]]
    except KeyError:
        expected = " or ".join(choices)
        raise SettingsError(f"{name}: {values[name]!r}, expected {expected}") from None
