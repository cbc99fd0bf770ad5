"""An S3 that lets nobody in, or is none: buckets, credentials, regions, endpoints."""

from __future__ import annotations

from contextlib import closing

import pytest

from embed.errors import StoreError
from embed.store.connection import connect
from embed.store.place import parse_place
from embed.store.pull import pull
from embed.store.push import push
from embed.store.versions import open_store
from tests.bundles import change
from tests.s3 import Bucket, forget_credentials
from tests.troubles import push_beside, refused, troubled


@pytest.fixture
def pushed(tmp_path, bucket) -> Bucket:
    return push_beside(tmp_path, bucket)


def test_no_bucket(tmp_path, bucket):
    url = "s3://no-such-bucket-here/x"
    change(tmp_path / "mine", 1)
    for act in (
        lambda: push(tmp_path / "mine", open_store(parse_place(url))),
        lambda: pull(open_store(parse_place(url)), tmp_path / "theirs"),
    ):
        with pytest.raises(StoreError) as caught:
            act()
        assert str(caught.value) == f"{url}/latest: there is no such bucket (NoSuchBucket)"
    with pytest.raises(StoreError, match="there is no such bucket"):
        open_store(parse_place(url)).versions()


def test_no_credentials(tmp_path, monkeypatch):
    forget_credentials(monkeypatch, tmp_path)
    with pytest.raises(StoreError, match="no AWS credentials found; set AWS_ACCESS_KEY_ID"):
        open_store(parse_place("s3://bucket/x")).latest()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    with pytest.raises(StoreError, match="AWS credentials: Partial credentials"):
        open_store(parse_place("s3://bucket/x")).latest()


@pytest.mark.parametrize(
    ("settings", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}, "eu-west-1"),
        ({"AWS_PROFILE": "there"}, "ap-south-1"),
        ({"AWS_PROFILE": "there", "AWS_REGION": "eu-west-1"}, "eu-west-1"),
    ],
)
def test_the_region_is_the_one_that_is_meant(tmp_path, monkeypatch, settings, region):
    forget_credentials(monkeypatch, tmp_path)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text("[profile there]\nregion = ap-south-1\n")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with closing(connect()) as client:
        assert client.meta.region_name == region


def test_no_profile(tmp_path, monkeypatch):
    forget_credentials(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(StoreError, match=r"credentials: The config profile \(nobody\) could not"):
        open_store(parse_place("s3://bucket/x"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("InvalidAccessKeyId", "these credentials are not known there (InvalidAccessKeyId)"),
        ("SignatureDoesNotMatch", "the secret key is not that of the access key (Signature"),
        ("ExpiredToken", "the credentials have expired; get new ones (ExpiredToken)"),
        ("AccessDenied", "these credentials may not do that (AccessDenied)"),
        ("Unheard", "Unheard: of"),
    ],
)
def test_wrong_credentials(tmp_path, pushed, monkeypatch, code, words):
    body = f"<Error><Code>{code}</Code><Message>of\nit</Message></Error>".encode()
    with troubled(pushed, monkeypatch, lambda *_: "refuse", (403, body)) as (store, _):
        assert words in refused(store, tmp_path / "theirs")


def test_nobody_there(tmp_path, pushed, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    text = refused(open_store(parse_place(pushed.url)), tmp_path / "theirs")
    assert "latest: cannot be reached: Could not connect to the endpoint URL" in text


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (200, "/latest: what answers there is no S3 (no ETag); is AWS_ENDPOINT_URL its"),
        (301, "/latest: what answers there leads on without end (redirects); is AWS_ENDPOINT_URL"),
        (502, "/latest: 502: Bad Gateway"),
    ],
)
def test_somebody_else_there(tmp_path, pushed, monkeypatch, status, words):
    """A console's page instead of the API, http:// where it is https://, a proxy."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    page = b"<!doctype html><html><body>login<br></body></html>"
    with troubled(pushed, monkeypatch, lambda *_: "refuse", (status, page)) as (store, _):
        text = refused(store, tmp_path / "theirs")
        assert text.startswith(f"{pushed.url}{words}")
        for act in (
            store.versions,
            lambda: list(store.objects.list("")),
            lambda: store.resolve("ab"),
        ):
            with pytest.raises(StoreError):
                act()


@pytest.mark.parametrize("endpoint", ["nonsense", "http://"])
def test_an_endpoint_that_is_none(tmp_path, monkeypatch, endpoint):
    forget_credentials(monkeypatch, tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(StoreError, match=r"^S3: "):
        open_store(parse_place("s3://bucket/x"))
