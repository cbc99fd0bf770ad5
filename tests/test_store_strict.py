"""Against LocalStack, which refuses what S3 refuses: checksums, parts, conditions."""

from __future__ import annotations

import base64
import hashlib
import io
from contextlib import closing

import numpy as np
import pytest
from botocore.exceptions import ClientError

from embed.bundle import open_bundle
from embed.errors import StoreError
from embed.manifest import FileInfo
from embed.store.connection import connect
from embed.store.pull import pull
from embed.store.push import push
from tests.bundles import change, read
from tests.front import front
from tests.stores import Interrupted, files_of

MIB = 2**20
PART = 5 * MIB  # the least that S3 takes
DATA = np.random.default_rng(0).bytes(12 * MIB + 1)
INFO = FileInfo(len(DATA), hashlib.sha256(DATA).hexdigest())


def _put(objects, data: bytes = DATA) -> list[int]:
    advanced: list[int] = []
    info = FileInfo(len(data), hashlib.sha256(data).hexdigest())
    objects.put("big", io.BytesIO(data), info, advanced.append)
    return advanced


class Damaging:
    """A client on whose way the bytes of one call change, but not their checksum."""

    def __init__(self, client, call: str) -> None:
        self._client, self._call = client, call

    def __getattr__(self, name: str):
        found = getattr(self._client, name)
        if name != self._call:
            return found
        return lambda **request: found(**{**request, "Body": request["Body"][:-1] + b"?"})


def test_push_and_pull(tmp_path, strict_bucket):
    change(tmp_path / "mine", 2)
    store = strict_bucket.store()
    push(tmp_path / "mine", store)
    pull(store, tmp_path / "theirs")
    assert read(open_bundle(tmp_path / "theirs")) == 2
    assert files_of(tmp_path / "theirs") == files_of(tmp_path / "mine")
    assert push(tmp_path / "mine", store).before == store.latest().version


def test_bytes_that_change_on_the_way_are_refused_there(tmp_path, strict_bucket):
    store = strict_bucket.store(client=Damaging(strict_bucket.client, "put_object"))
    change(tmp_path / "mine", 2)
    with pytest.raises(StoreError, match=r"is not what was sent \(checksum\) \(BadDigest\)"):
        push(tmp_path / "mine", store)
    assert strict_bucket.contents() == {}


def test_a_part_that_changes_on_the_way_is_refused_there(strict_bucket):
    objects = strict_bucket.objects(
        client=Damaging(strict_bucket.client, "upload_part"), part_bytes=PART
    )
    with pytest.raises(StoreError, match=r"is not what was sent \(checksum\) \(BadDigest\)"):
        _put(objects)
    assert strict_bucket.contents() == {}


def test_parts_and_their_checksum(tmp_path, strict_bucket):
    objects = strict_bucket.objects(part_bytes=PART)
    assert _put(objects) == [PART, PART, 2 * MIB + 1]
    parts = [DATA[at : at + PART] for at in range(0, len(DATA), PART)]
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    checksum = base64.b64encode(hashlib.sha256(digests).digest()).decode()
    found = strict_bucket.client.head_object(
        Bucket=strict_bucket.name, Key="music/store/big", ChecksumMode="ENABLED"
    )
    assert found["ChecksumSHA256"] == f"{checksum}-3"
    objects.fetch("big", tmp_path / "big", INFO, lambda _: None)
    assert (tmp_path / "big").read_bytes() == DATA


def test_a_large_file_that_is_there_is_not_sent_again(strict_bucket, monkeypatch):
    _put(strict_bucket.objects(part_bytes=PART))
    with front(strict_bucket.endpoint, lambda *_: None) as (address, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with closing(connect()) as client:
            assert _put(strict_bucket.objects(client=client, part_bytes=PART)) == [len(DATA)]
            assert {one.split()[0] for one in asked} == {"HEAD"}
            # Another content of the same size is not taken for it.
            _put(strict_bucket.objects(client=client, part_bytes=PART), DATA[:-1] + b"?")
    assert strict_bucket.get("music/store/big")[-1:] == b"?"


@pytest.mark.parametrize("server", ["bucket", "strict_bucket"])
def test_an_upload_that_was_stopped_goes_on_where_it_was(request, server, monkeypatch):
    bucket = request.getfixturevalue(server)

    def stop_after_the_second(count: int) -> None:
        arrived.append(count)
        if len(arrived) == 2:
            raise Interrupted

    arrived: list[int] = []
    objects = bucket.objects(part_bytes=PART)
    with pytest.raises(Interrupted):
        objects.put("big", io.BytesIO(DATA), INFO, stop_after_the_second)
    assert objects.size("big") is None
    with front(bucket.endpoint, lambda *_: None) as (address, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with closing(connect()) as client:
            _put(bucket.objects(client=client, part_bytes=PART))
    sent = [one for one in asked if one.startswith("PUT")]
    if server == "strict_bucket":  # moto tells no checksums of parts, so all are sent again
        assert len(sent) == 1
        assert "partNumber=3" in sent[0]
    assert bucket.get("music/store/big") == DATA
    uploads = bucket.client.list_multipart_uploads(Bucket=bucket.name).get("Uploads", [])
    assert uploads == []


def test_who_may_not_list_uploads_begins_anew(strict_bucket, monkeypatch):
    """docs/store.md: s3:ListBucketMultipartUploads is for going on, not for pushing."""
    denied = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    no_list = lambda asked, _: "refuse" if asked.startswith("GET") and "?uploads" in asked else None  # noqa: E731
    with front(strict_bucket.endpoint, no_list, (403, denied)) as (address, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with closing(connect()) as client:
            _put(strict_bucket.objects(client=client, part_bytes=PART))
    assert any("?uploads" in one for one in asked if one.startswith("GET"))
    assert strict_bucket.get("music/store/big") == DATA


def test_parts_of_another_content_are_not_used(strict_bucket):
    def stop_at_once(_: int) -> None:
        raise Interrupted

    objects = strict_bucket.objects(part_bytes=PART)
    other = b"?" + DATA[1:]
    info = FileInfo(len(other), hashlib.sha256(other).hexdigest())
    with pytest.raises(Interrupted):
        objects.put("big", io.BytesIO(other), info, stop_at_once)
    _put(objects)
    assert strict_bucket.get("music/store/big") == DATA


def test_an_upload_that_another_writer_ended_is_begun_anew(strict_bucket):
    """Two push the same version: what one finishes vanishes under the other."""

    class Meddled:
        def __init__(self, client) -> None:
            self._client, self.ended = client, 0

        def __getattr__(self, name: str):
            return getattr(self._client, name)

        def upload_part(self, **request):
            if not self.ended:
                self.ended += 1
                upload = {key: request[key] for key in ("Bucket", "Key", "UploadId")}
                self._client.abort_multipart_upload(**upload)
            return self._client.upload_part(**request)

    client = Meddled(strict_bucket.client)
    advanced = _put(strict_bucket.objects(client=client, part_bytes=PART))
    assert client.ended == 1
    assert sum(advanced) == len(DATA)
    assert strict_bucket.get("music/store/big") == DATA


def test_an_end_whose_answer_is_lost_is_not_begun_anew(strict_bucket, monkeypatch):
    """botocore asks again, and the upload is gone: since it is done."""
    ends = "POST", "uploadId="
    lose = lambda asked, times: (  # noqa: E731
        "lost" if all(part in asked for part in ends) and times == 1 else None
    )
    with front(strict_bucket.endpoint, lose) as (address, asked):
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with closing(connect()) as client:
            advanced = _put(strict_bucket.objects(client=client, part_bytes=PART))
    assert len([one for one in asked if all(part in one for part in ends)]) == 2
    assert len([one for one in asked if one.startswith("PUT")]) == 3, "no part twice"
    assert sum(advanced) == len(DATA)
    assert strict_bucket.get("music/store/big") == DATA


def test_what_another_writer_of_the_same_ended_is_taken(strict_bucket):
    objects = strict_bucket.objects(part_bytes=PART)
    seen = []

    def end_it(count: int) -> None:
        seen.append(count)
        if len(seen) == 1:  # the other one goes on with the same upload, and ends it
            _put(strict_bucket.objects(part_bytes=PART))

    objects.put("big", io.BytesIO(DATA), INFO, end_it)
    assert sum(seen) == len(DATA)
    assert strict_bucket.get("music/store/big") == DATA
    assert not strict_bucket.client.list_multipart_uploads(Bucket=strict_bucket.name).get("Uploads")


def test_a_file_that_changes_while_it_is_sent_is_refused(tmp_path, strict_bucket):
    path = tmp_path / "big"
    path.write_bytes(DATA)

    def change_it(_: int) -> None:
        with path.open("r+b") as file:
            file.seek(-1, io.SEEK_END)
            file.write(b"?")

    objects = strict_bucket.objects(part_bytes=PART)
    with path.open("rb") as file, pytest.raises(StoreError, match="big: changed while it was"):
        objects.put("big", file, INFO, change_it)
    assert objects.size("big") is None


@pytest.mark.parametrize("data", [b"", b"x"], ids=["empty", "one byte"])
def test_small_files(tmp_path, strict_bucket, data):
    objects = strict_bucket.objects()
    assert _put(objects, data) == [len(data)]
    info = FileInfo(len(data), hashlib.sha256(data).hexdigest())
    objects.fetch("big", tmp_path / "small", info, lambda _: None)
    assert (tmp_path / "small").read_bytes() == data


def test_conditions_hold(strict_bucket):
    objects = strict_bucket.objects()
    assert objects.read("latest") is None
    assert not objects.replace("latest", b"a", '"0123"'), "there is none to replace"
    assert objects.replace("latest", b"a", None)
    assert not objects.replace("latest", b"b", None)
    data, tag = objects.read("latest")
    assert data == b"a"
    assert objects.replace("latest", b"b", tag)
    assert not objects.replace("latest", b"c", tag)
    assert objects.read("latest")[0] == b"b"


def test_the_server_itself_knows_a_wrong_checksum(strict_bucket):
    # Else the tests above would prove nothing.
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    with pytest.raises(ClientError):
        strict_bucket.client.put_object(
            Bucket=strict_bucket.name, Key="x", Body=b"this", ChecksumSHA256=wrong
        )
