"""Settings: read once, in their types, or refused with name, value and expectation."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from embed.milvus.address import Address
from embed.store.place import S3Url
from handler.settings import SETTINGS, Settings, SettingsError, read_settings


def test_the_bundle_is_all_that_is_needed() -> None:
    assert read_settings({"VIBE_BUNDLE": "a/b"}) == Settings(
        bundle=Path("a/b"),
        cache=None,
        index=None,
        index_token="",
        index_timeout_ms=2000,
        host="127.0.0.1",
        port=8000,
        max_body_bytes=65_536,
        max_audio_bytes=25_000_000,
        max_audio_s=900,
        audio_queue=4,
        drain_s=0,
        shutdown_s=10,
        music_url=None,
        access_log=False,
        is_log_json=False,
        revision="unknown",
    )


def test_every_setting_can_be_set() -> None:
    environment = {
        "VIBE_BUNDLE": "s3://bucket/b",
        "VIBE_CACHE": "c",
        "VIBE_INDEX": "milvus+https://milvus:19530?collection=mine",
        "VIBE_INDEX_TOKEN": "root:secret",
        "VIBE_INDEX_TIMEOUT_MS": "500",
        "VIBE_HOST": "::1",
        "VIBE_PORT": "0",
        "VIBE_MAX_BODY_BYTES": "1",
        "VIBE_MAX_AUDIO_BYTES": "1000",
        "VIBE_MAX_AUDIO_S": "60",
        "VIBE_AUDIO_QUEUE": "1",
        "VIBE_DRAIN_S": "3",
        "VIBE_SHUTDOWN_S": "0",
        "VIBE_MUSIC_URL": "https://music.example/",
        "VIBE_ACCESS_LOG": "on",
        "VIBE_LOG_FORMAT": "json",
        "VIBE_REVISION": "3d0d5fd",
        "PATH": "/bin",
    }
    assert read_settings(environment) == Settings(
        S3Url("bucket", "b"),
        Path("c"),
        Address("https://milvus:19530", "mine"),
        "root:secret",
        500,
        "::1",
        0,
        1,
        1000,
        60,
        1,
        3,
        0,
        "https://music.example/",
        True,
        True,
        "3d0d5fd",
    )
    names = {setting.name for setting in SETTINGS}
    assert names == environment.keys() - {"PATH"}
    assert len(names) == len(dataclasses.fields(Settings))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("VIBE_BUNDLE", "", "VIBE_BUNDLE: not set, expected the bundle to serve: a directory"),
        ("VIBE_PORT", "http", "VIBE_PORT: 'http', expected a whole number, 0 to 65535"),
        ("VIBE_PORT", "-1", "VIBE_PORT: '-1', expected a whole number, 0 to 65535"),
        ("VIBE_PORT", "65536", "VIBE_PORT: '65536', expected a whole number, 0 to 65535"),
        ("VIBE_PORT", "8_000", "VIBE_PORT: '8_000', expected a whole number, 0 to 65535"),
        ("VIBE_PORT", "٨", "VIBE_PORT: '٨', expected a whole number, 0 to 65535"),
        # What Kubernetes sets for a Service named `vibe`, unless told not to.
        ("VIBE_PORT", "tcp://10.0.0.1:80", "VIBE_PORT: 'tcp://10.0.0.1:80', expected a whole"),
        ("VIBE_MAX_BODY_BYTES", "0", "VIBE_MAX_BODY_BYTES: '0', expected a whole number, 1 or"),
        ("VIBE_MAX_BODY_BYTES", "9" * 99, "VIBE_MAX_BODY_BYTES: "),
        ("VIBE_DRAIN_S", "-1", "VIBE_DRAIN_S: '-1', expected a whole number, 0 or more"),
        ("VIBE_SHUTDOWN_S", "1.5", "VIBE_SHUTDOWN_S: '1.5', expected a whole number, 0 or more"),
        ("VIBE_ACCESS_LOG", "yes", "VIBE_ACCESS_LOG: 'yes', expected on or off"),
        *(
            ("VIBE_MUSIC_URL", url, f"VIBE_MUSIC_URL: {url!r}, expected an http, https or file")
            for url in (
                *("music", "/music", "ftp://host/x", "http://", "https:///x", "file:music"),
                *("https://user:secret@host/", "https://host/?a=1", "https://host/#x"),
                *("https://host/a b", "https://host/\n#EXTINF", "http://[::1", "javascript:x"),
            )
        ),
        *(
            ("VIBE_INDEX", text, f"VIBE_INDEX: {text!r}, expected milvus+http://host:19530")
            for text in ("http://h:1", "milvus+h:1", "milvus+http://u:p@h:1", "milvus+file:x")
        ),
        ("VIBE_INDEX_TIMEOUT_MS", "0", "VIBE_INDEX_TIMEOUT_MS: '0', expected a whole number, 1"),
        ("VIBE_LOG_FORMAT", "JSON", "VIBE_LOG_FORMAT: 'JSON', expected text or json"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings({"VIBE_BUNDLE": "b", name: value})
    assert str(caught.value).startswith(message)


def test_an_empty_variable_counts_as_absent() -> None:
    assert read_settings({"VIBE_BUNDLE": "b", "VIBE_PORT": ""}).port == 8000
