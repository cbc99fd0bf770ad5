"""Music in a bucket, bundles in a store: ``s3://`` wherever a folder may stand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from embed.bucket import BucketSong, listed
from embed.bundle import open_bundle
from embed.errors import AudioError, StoreError
from embed.pipeline import Options, embed_folder
from embed.store.cache import local_copy
from embed.store.place import S3Url, parse_place
from embed.store.pull import pull
from embed.store.push import push
from embed.working import PROGRESS, working_copy
from tests.albums import SONGS, content
from tests.audio_files import write_tune
from tests.bundles import change
from tests.front import front
from tests.handlers import serving
from tests.processes import REPOSITORY, eventually
from tests.s3 import Bucket


@pytest.fixture
def library(bucket: Bucket, album: Path) -> S3Url:
    """The album in a bucket, and what is no song beside it."""
    for name in SONGS:
        bucket.put(f"library/{name}", (album / name).read_bytes())
    for name in ("library/cover.jpg", "library/.trash/x.mp3", "library/b.mp3/", "library2/x.mp3"):
        bucket.put(name, b"x")
    return S3Url(bucket.name, "library")


def _run(module: str, *arguments: object, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **more},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


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
        first = _run("embed", *arguments, **environment)
        assert first.returncode == 0, first.stderr
        assert len(fetched()) == 4
        again = _run("embed", *arguments, **environment)
        assert "4 songs in the bundle, which was up to date" in again.stderr
        assert fetched() == []
        # Written anew, but the same: its ETag says so.
        bucket.put(f"library/{SONGS[0]}", (album / SONGS[0]).read_bytes())
        write_tune(tmp_path / "new.wav", 0.5, 22_050, seed=9)
        bucket.put("library/Last.wav", (tmp_path / "new.wav").read_bytes())
        third = _run("embed", *arguments, **environment)
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
        run = _run(
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
    assert _run("embed", "push", model_bundle, model).returncode == 0
    arguments = [library, "--to", bucket.url, "--model", model]
    first = _run("embed", *arguments, "--work", tmp_path / "first")
    assert first.returncode == 0, first.stderr
    latest = bucket.store().latest().version
    assert first.stderr.splitlines()[-1] == f"{bucket.url}: latest is {latest[:12]}"
    # Another machine, which has nothing: it fetches no song that did not change.
    with front(bucket.endpoint, lambda *_: None) as (address, asked):
        again = _run(
            *("embed", library, "--to", bucket.url, "--work", tmp_path / "second"),
            AWS_ENDPOINT_URL=address,
        )
        assert not [one for one in asked if "/library/" in one]
    assert again.returncode == 0, again.stderr
    assert "0 embedded, 4 already known" in again.stderr
    assert bucket.store().latest().version == latest
    bucket.client.delete_object(Bucket=bucket.name, Key="library/Last.wav")
    third = _run("embed", library, "--to", bucket.url, "--work", tmp_path / "first")
    assert "3 songs found: 0 embedded, 3 already known, 0 failed; 1 removed" in third.stderr
    assert len(bucket.store().versions()) == 2
    pull(bucket.store(), tmp_path / "pulled")
    assert set(content(tmp_path / "pulled")) == set(SONGS) - {"Last.wav"}


def test_import_to_a_store(tmp_path, bucket):
    np.savez(tmp_path / "x.npz", names=["A - B", "C - D"], embeddings=np.eye(2, 512))
    run = _run("embed", "import", tmp_path / "x.npz", "--to", bucket.url)
    assert run.returncode == 0, run.stderr
    assert [one.manifest.songs for one in bucket.store().versions()] == [2]


def test_a_run_that_is_evicted_goes_on_elsewhere(tmp_path, bucket, model_bundle):
    for seed in range(12):
        write_tune(tmp_path / f"{seed}.flac", 12, 8_000, seed=seed)
        bucket.put(f"library/{seed}.flac", (tmp_path / f"{seed}.flac").read_bytes())
    where = [f"s3://{bucket.name}/library", "--to", bucket.url, "--model", str(model_bundle)]
    command = [sys.executable, "-m", "embed", *where, "--workers", "1"]
    with subprocess.Popen(
        [*command, "--work", str(tmp_path / "first")],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        [state] = _wait_for_songs(tmp_path / "first", 3)
        assert state.exists()
        run.send_signal(signal.SIGTERM)
        said = run.stderr.read()
    assert run.returncode == 130, said
    assert said.splitlines()[-1].startswith("stopped; what was embedded is kept")
    assert bucket.store().latest() is None
    assert bucket.store().objects.size(PROGRESS) > 0
    again = _run("embed", *where, "--workers", "1", "--work", tmp_path / "second")
    assert again.returncode == 0, again.stderr
    embedded = int(again.stderr.split("songs found: ")[1].split()[0])
    assert 0 <= embedded <= 9
    assert [one.manifest.songs for one in bucket.store().versions()] == [12]


def _wait_for_songs(work: Path, songs: int) -> list[Path]:
    import sqlite3

    def has_songs() -> bool:
        for path in work.glob("*/work/.embed.sqlite"):
            try:
                with sqlite3.connect(path) as database:
                    [count] = database.execute("SELECT COUNT(*) FROM embeddings").fetchone()
            except sqlite3.Error:
                return False
            finally:
                database.close()
            if count >= songs:
                return True
        return False

    assert eventually(has_songs)
    return list(work.glob("*/work/.embed.sqlite"))


def test_embeddings_of_a_lost_race_are_not_made_again(tmp_path, bucket, run, model_bundle):
    """A push that another writer outran: the next run takes over what that one embedded."""
    place, work = parse_place(bucket.url), tmp_path / "work"
    options = Options(str(model_bundle), workers=1)
    said: list[str] = []
    with working_copy(place, work, said.append) as copy:
        embed_folder(run.music, copy.path, options, tell=said.append)
        change(tmp_path / "theirs", 1)
        push(tmp_path / "theirs", bucket.store())
        with pytest.raises(StoreError, match="another writer pushed it since the store was empty"):
            copy.push()
    push(model_bundle, bucket.store())
    with working_copy(place, work, said.append) as copy:
        report = embed_folder(run.music, copy.path, options, tell=said.append)
        copy.push()
    assert (report.found, report.embedded) == (4, 0)
    [latest] = [one for one in bucket.store().versions() if one.is_latest]
    assert latest.manifest.songs == 4


def test_work_that_was_not_pushed_is_not_lost(tmp_path, bucket, run, model_bundle):
    place, work = parse_place(bucket.url), tmp_path / "work"
    push(model_bundle, bucket.store())
    with working_copy(place, work, lambda _: None) as copy:
        embed_folder(run.music, copy.path, Options(workers=1), tell=lambda _: None)
        mine = open_bundle(copy.path).manifest.version
    with working_copy(place, work, lambda _: None) as copy:
        assert open_bundle(copy.path).manifest.version == mine
        copy.push()
    assert bucket.store().latest().version == mine


def test_damaged_progress_is_passed_over(tmp_path, bucket):
    bucket.put(f"music/store/{PROGRESS}", b"not a database" * 100)
    said: list[str] = []
    with working_copy(parse_place(bucket.url), tmp_path / "work", said.append) as copy:
        assert not (copy.path / ".embed.sqlite").exists()
    assert f"{PROGRESS}: passed over" in said[0]


def test_a_version_is_not_written_to(tmp_path, bucket):
    place = parse_place(f"{bucket.url}/versions/0123abcd")
    refused = pytest.raises(StoreError, match="a version never changes; give the store itself")
    with refused, working_copy(place, tmp_path, print):
        pass


def test_local_copies(tmp_path, bucket):
    change(tmp_path / "mine", 1)
    first = push(tmp_path / "mine", bucket.store()).version
    change(tmp_path / "mine", 2)
    second = push(tmp_path / "mine", bucket.store()).version
    place, cache = parse_place(bucket.url), tmp_path / "cache"
    copy = local_copy(place, cache)
    assert copy.is_relative_to(cache)
    assert open_bundle(copy).manifest.version == second
    pinned = local_copy(parse_place(f"{bucket.url}/versions/{first[:10]}"), cache)
    assert open_bundle(pinned).manifest.version == first
    bucket.store().rollback(first)
    assert local_copy(place, cache) == copy
    assert open_bundle(copy).manifest.version == first
    assert local_copy(tmp_path / "mine") == tmp_path / "mine"
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(StoreError, match="say where copies may be kept"):
        local_copy(place, blocked)


def test_the_api_serves_a_store(tmp_path, bucket):
    change(tmp_path / "mine", 4)
    push(tmp_path / "mine", bucket.store())
    cache = str(tmp_path / "c")
    with serving("--bundle", bucket.url, "--port", "0", VIBE_CACHE=cache) as (_, host, port, _):
        health = f"http://{host}:{port}/health"
        with urllib.request.urlopen(health, timeout=30) as answer:
            assert b'"songs_loaded":5' in answer.read()


def test_the_api_says_in_one_line_what_is_wrong_with_a_store(tmp_path, bucket):
    settings = {"VIBE_BUNDLE": bucket.url, "VIBE_CACHE": str(tmp_path / "c")}
    run = _run("handler", **settings)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (f"handler: {bucket.url}: no bundle has been pushed here (no 'latest')\n")
    settings["VIBE_BUNDLE"] = "s3:/x"
    assert _run("handler", **settings).stderr == (
        "handler: VIBE_BUNDLE: s3:/x: expected a directory or s3://bucket/prefix\n"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("s3://bucket/a/b/", S3Url("bucket", "a/b")),
        ("s3://bucket", S3Url("bucket")),
        ("s3://bucket/", S3Url("bucket")),
        ("music", Path("music")),
        ("/a:/b", Path("/a:/b")),
        ("C:/music", Path("C:/music")),
    ],
)
def test_places(text, place):
    assert parse_place(text) == place
    assert str(parse_place(text)) == text.rstrip("/")


@pytest.mark.parametrize("text", ["s3:/bucket/x", "s3://", "s3://A/b", "s3:///b", "S3://x/y"])
def test_places_that_are_none(text):
    with pytest.raises(StoreError, match="expected"):
        parse_place(text)
    with pytest.raises(StoreError, match="expected a directory or s3://bucket/prefix"):
        parse_place("https://example.org/x")
    with pytest.raises(
        StoreError, match=r"'s3://bucket/\\udcff': keys are UTF-8, which this is not"
    ):
        parse_place(os.fsdecode(b"s3://bucket/\xff"))
