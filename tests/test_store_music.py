"""Music in a bucket: fetched when it is new, left alone when it is not, whatever its names are."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from embed.bucket import BucketSong, listed
from embed.bundle import open_bundle
from embed.errors import AudioError, StoreError
from embed.pipeline import Options, embed_folder
from embed.store.place import S3Url
from embed.store.pull import pull
from tests.albums import SONGS, content
from tests.audio_files import write_tune
from tests.front import front
from tests.processes import run_module
from tests.s3 import Bucket


@pytest.fixture
def library(bucket: Bucket, album: Path) -> S3Url:
    """The album in a bucket, and what is no song beside it."""
    for name in SONGS:
        bucket.put(f"library/{name}", (album / name).read_bytes())
    for name in ("library/cover.jpg", "library/.trash/x.mp3", "library/b.mp3/", "library2/x.mp3"):
        bucket.put(name, b"x")
    return S3Url(bucket.name, "library")


def _same_songs(left: Path, right: Path) -> bool:
    a, b = content(left), content(right)
    return a.keys() == b.keys() and all(
        a[key][0] == b[key][0] and np.array_equal(a[key][1], b[key][1]) for key in a
    )


def test_a_bucket_gives_what_a_folder_gives(tmp_path, run, library):
    run()
    options = Options(str(run.model), workers=1)
    report = embed_folder(library, tmp_path / "other", options, tell=lambda _: None)
    assert (report.found, report.embedded, report.failures) == (4, 4, [])
    assert _same_songs(tmp_path / "other", run.bundle)


def test_songs_that_did_not_change_are_not_fetched_again(
    tmp_path, library, bucket, model_bundle, album, monkeypatch
):
    def fetched() -> list[str]:
        names = [one.rpartition("/")[2] for one in asked if one.startswith("GET /")]
        asked.clear()
        return [name for name in names if "list-type" not in name]

    with front(bucket.endpoint, lambda *_: None) as (address, asked):
        environment = {"AWS_ENDPOINT_URL": address}
        arguments = [library, "--to", tmp_path / "b", "--model", model_bundle]
        first = run_module("embed", *arguments, **environment)
        assert first.returncode == 0, first.stderr
        assert len(fetched()) == 4
        again = run_module("embed", *arguments, **environment)
        assert "4 songs in the bundle, which was up to date" in again.stderr
        assert fetched() == []
        # Written anew, but the same: its ETag says so.
        bucket.put(f"library/{SONGS[0]}", (album / SONGS[0]).read_bytes())
        write_tune(tmp_path / "new.wav", 0.5, 22_050, seed=9)
        bucket.put("library/Last.wav", (tmp_path / "new.wav").read_bytes())
        third = run_module("embed", *arguments, **environment)
        assert "4 songs found: 1 embedded, 3 already known" in third.stderr
        assert fetched() == ["Last.wav"]


def test_songs_leave_nothing_behind(library, bucket):
    with listed(library) as found:
        songs = list(found)
        folder = songs[0].path.parent
        assert {song.key for song in songs} == set(SONGS)
        with songs[0].local() as path:
            assert path.read_bytes() == bucket.get(f"library/{songs[0].key}")
            assert path.name == Path(songs[0].key).name
            assert [found.is_dir() for found in folder.iterdir()] == [True]
        assert list(folder.iterdir()) == []
    assert not folder.exists()


def test_a_song_that_changes_after_it_was_listed(library, bucket):
    with listed(library) as found:
        songs = list(found)
        size = songs[0].bytes
        bucket.put(f"library/{songs[0].key}", b"x" * size)
        with pytest.raises(StoreError, match="changed while it was read; run again"):
            songs[0].local().__enter__()
        bucket.client.delete_object(Bucket=bucket.name, Key=f"library/{songs[1].key}")
        with pytest.raises(StoreError, match="is not there"):
            songs[1].local().__enter__()


def test_a_cut_song_is_taken_up_where_it_was(library, bucket, monkeypatch, album):
    def cut(request: str, times: int) -> str | None:
        return "cut" if "Waterloo" in request and times == 1 else None

    with front(bucket.endpoint, cut) as (address, asked):
        from embed.store.connection import connect
        from embed.store.s3 import fetch_object

        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with listed(library) as songs, tempfile.TemporaryDirectory() as folder:
            song = next(song for song in songs if "Waterloo" in song.key)
            assert isinstance(song, BucketSong)
            to = Path(folder) / "x"
            fetch_object(connect(), library, song.key, to, song.bytes, song.tag)
            assert to.read_bytes() == (album / song.key).read_bytes()
    assert len([one for one in asked if "Waterloo" in one]) == 2


def test_a_song_that_cannot_be_fetched_fails_alone(tmp_path, library, bucket, model_bundle):
    def refuse(request: str, _: int) -> str | None:
        return "refuse" if "Waterloo" in request else None

    body = b"<Error><Code>AccessDenied</Code><Message>no</Message></Error>"
    with front(bucket.endpoint, refuse, (403, body)) as (address, _):
        run = run_module(
            *("embed", library, "--to", tmp_path / "b", "--model", model_bundle),
            AWS_ENDPOINT_URL=address,
        )
    assert run.returncode == 1, run.stderr
    assert run.stderr.splitlines()[-2:] == [
        "failed:",
        f"  01. Abba - Waterloo.wav: {library}/01. Abba - Waterloo.wav: these credentials may not "
        "do that (AccessDenied)",
    ]
    assert open_bundle(tmp_path / "b").manifest.songs == 3


def test_a_bucket_without_songs(bucket):
    nothing = S3Url(bucket.name, "nothing")
    no_songs = pytest.raises(AudioError, match=r"s3://.*/nothing: no audio files \(looked for")
    with no_songs, listed(nothing):
        pass


def test_names_as_people_write_them(tmp_path, bucket, model_bundle, album):
    names = ["Sigur Rós - Hoppípolla & 100%+.wav", "a  b/ñ/%41 - #1 «x».wav"]
    for name in names:
        bucket.put(f"library/{name}", (album / "Last.wav").read_bytes())
    music = S3Url(bucket.name, "library")
    options = Options(str(model_bundle), workers=1)
    report = embed_folder(music, tmp_path / "b", options, tell=lambda _: None)
    assert report.failures == []
    found = content(tmp_path / "b")
    assert set(found) == set(names)
    assert found[names[0]][0] == "Sigur Rós - Hoppípolla & 100%+"


def test_names_that_no_file_system_takes(bucket):
    long = "x" * 300 + " - Nina.mp3"
    bucket.put(f"library/{long}", b"x")
    with listed(S3Url(bucket.name, "library")) as found:
        [song] = found
        with song.local() as path:
            assert (song.key, path.suffix) == (long, ".mp3")
            assert path.name.endswith("x - Nina.mp3")


def test_from_store_to_store(tmp_path, bucket, library, model_bundle, album):
    """Everything on S3: the model, the music and the bundle; on machines that come and go."""
    model = f"s3://{bucket.name}/models"
    assert run_module("embed", "push", model_bundle, model).returncode == 0
    arguments = [library, "--to", bucket.url, "--model", model]
    first = run_module("embed", *arguments, "--work", tmp_path / "first")
    assert first.returncode == 0, first.stderr
    latest = bucket.store().latest().version
    assert first.stderr.splitlines()[-1] == f"{bucket.url}: latest is {latest[:12]}"
    # Another machine, which has nothing: it fetches no song that did not change.
    with front(bucket.endpoint, lambda *_: None) as (address, asked):
        again = run_module(
            *("embed", library, "--to", bucket.url, "--work", tmp_path / "second"),
            AWS_ENDPOINT_URL=address,
        )
        assert not [one for one in asked if "/library/" in one]
    assert again.returncode == 0, again.stderr
    assert "0 embedded, 4 already known" in again.stderr
    assert bucket.store().latest().version == latest
    bucket.client.delete_object(Bucket=bucket.name, Key="library/Last.wav")
    third = run_module("embed", library, "--to", bucket.url, "--work", tmp_path / "first")
    assert "3 songs found: 0 embedded, 3 already known, 0 failed; 1 removed" in third.stderr
    assert len(bucket.store().versions()) == 2
    pull(bucket.store(), tmp_path / "pulled")
    assert set(content(tmp_path / "pulled")) == set(SONGS) - {"Last.wav"}
