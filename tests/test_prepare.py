"""One song prepared: what is read of it, and what it may not cost."""

from __future__ import annotations

import hashlib
import os
import resource

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from embed.audio import read_windows
from embed.errors import AudioError
from embed.mel import log_mel
from embed.prepare import Work, prepare, prepare_pool
from embed.scan import scan
from embed.spec import FrontEnd
from embed.tags import Credit
from embed.workers import WorkerDied
from tests import bad_decoders
from tests.audio_files import write_tune
from tests.processes import python

WORK = Work(FrontEnd(), windows=2)


@pytest.fixture
def song(tmp_path):
    write_tune(tmp_path / "Artist - Title.flac", 25, 22_050)
    return scan(tmp_path)[0]


def test_a_song_is_hashed_named_decoded_and_transformed(song):
    found = prepare(song, WORK)
    assert found.sha256 == hashlib.sha256(song.path.read_bytes()).hexdigest()
    assert found.credit == Credit("Artist", "Title")
    assert found.duration_s == 25
    windows = read_windows(song.path, FrontEnd(), 2).samples
    assert np.array_equal(found.log_mels, [log_mel(window, FrontEnd()) for window in windows])
    assert set(found.seconds) == {"read", "decode", "resample", "mel"}


def test_known_content_is_not_decoded(song):
    digest = hashlib.sha256(song.path.read_bytes()).hexdigest()
    found = prepare(song, Work(FrontEnd(), 2, known=frozenset({digest})))
    assert (found.sha256, found.duration_s, found.log_mels) == (digest, None, None)
    assert found.credit == Credit("Artist", "Title")


def test_a_song_that_changes_while_it_is_read_is_not_taken(song):
    with song.path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(AudioError, match=r"^changed while it was read; run again$"):
        prepare(song, WORK)


def test_a_song_that_is_replaced_by_another_of_its_size_is_not_taken(song):
    status = song.path.stat()
    os.utime(song.path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(AudioError, match="changed while it was read"):
        prepare(song, WORK)


def test_a_song_that_is_gone_is_an_oserror(song):
    song.path.unlink()
    with pytest.raises(FileNotFoundError):
        prepare(song, WORK)


def test_a_worker_prepares_as_this_process_does(song):
    with prepare_pool(WORK, 1) as pool:
        there = pool.submit(song).result(timeout=120)
    # BLAS rounds differently on more threads (by 2e-6 dB), so a worker uses one.
    with threadpool_limits(1):
        here = prepare(song, WORK)
    assert (there.sha256, there.credit) == (here.sha256, here.credit)
    assert np.array_equal(there.log_mels, here.log_mels)


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        *(("abort", WorkerDied), ("segfault", WorkerDied), ("exit 0", WorkerDied)),
        *(("hang in C", TimeoutError), ("eat 400", MemoryError), ("raise AudioError", AudioError)),
    ],
)
def test_a_decoder_that_misbehaves_costs_its_song(tmp_path, order, kind):
    (tmp_path / "a.mp3").write_text(order)
    (tmp_path / "b.mp3").write_text("7")
    work = Work(FrontEnd(), "middle", timeout_s=2 if kind is TimeoutError else 60, memory_mib=200)
    with prepare_pool(work, 1, bad_decoders.prepare) as pool:
        bad, good = (pool.submit(song) for song in scan(tmp_path))
        assert type(bad.exception(timeout=120)) is kind
        assert good.result(timeout=120).credit == Credit(None, "7")


def test_a_lower_limit_of_the_system_is_kept(tmp_path):
    (tmp_path / "a.mp3").write_text("7")
    program = f"""
import resource
from pathlib import Path
from embed.prepare import Work, prepare_pool
from embed.scan import scan
from embed.spec import FrontEnd
from tests import bad_decoders
if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    with prepare_pool(Work(FrontEnd(), 1, memory_mib=100_000), 1, bad_decoders.prepare) as pool:
        print(pool.submit(scan(Path({str(tmp_path)!r}))[0]).result().sha256)
"""
    done = python("-c", program)
    assert done.stdout.strip() == hashlib.sha256(b"7").hexdigest(), done.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
