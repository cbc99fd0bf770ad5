"""A clip's embedding is the pipeline's for the same file; whatever fails has a reason."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.clip import Clips, ClipWork, embed_clip
from embed.errors import AudioError, ModelError, StarvedError, VibeError
from embed.manifest import MODEL_FILE
from embed.spec import FrontEnd
from embed.workers import WorkerDied, WorkerNotStarted
from tests.albums import content
from tests.audio_files import every_kind, tune, write, write_tune
from tests.clips import wav
from tests.processes import python


@pytest.fixture(scope="module")
def work(model_bundle: Path) -> ClipWork:
    return ClipWork(model_bundle / MODEL_FILE, FrontEnd(), 3, longest_s=100.0)


@pytest.fixture(scope="module")
def clips(work: ClipWork) -> Iterator[Clips]:
    clips = Clips(work)
    yield clips
    clips.close()


def failure(clips: Clips, path: Path) -> VibeError:
    with pytest.raises(Exception) as caught:
        clips.submit(path).result(120)
    return clips.failure(caught.value)


@pytest.mark.parametrize("windows", ["middle", 3])
def test_an_embedding_is_bit_equal_to_the_pipelines(run, work, windows):
    for kind, data in every_kind(run.music, 31).items():
        (run.music / f"Somebody - {kind}.{kind}").write_bytes(data)
    assert run(windows=windows).failures == []
    spec = open_bundle(run.bundle).manifest.spec
    clips = Clips(ClipWork(run.bundle / MODEL_FILE, spec.front_end, spec.windows, 100.0))
    try:
        found = content(run.bundle)
        assert len(found) == 4 + 8 + 8
        for path, (_, embedding) in found.items():
            assert np.array_equal(clips.submit(run.music / path).result(120), embedding), path
    finally:
        clips.close()


def test_threads_change_no_bit(work, tmp_path):
    song = write_tune(tmp_path / "a.flac", 40, 44_100, 2)
    one, two = (embed_clip(ClipWork(work.model, FrontEnd(), 3, 100, threads), song)
                for threads in (1, 2))  # fmt: skip
    assert np.array_equal(one, two)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("seconds", "message"),
    [(101, "plays 101 s or more, expected at most 100 s"), (3_700, "plays 3,700 s")],
)
def test_a_clip_that_is_too_long_is_not_decoded(clips, tmp_path, seconds, message):
    path = write(tmp_path / "long.flac", np.zeros((seconds * 8_000, 1), np.float32), 8_000)
    error = failure(clips, path)
    assert isinstance(error, AudioError)
    assert str(error).startswith(message)


@pytest.mark.parametrize(
    ("level", "is_silent"), [(0, True), (2, True), (5, False)], ids=["nothing", "dither", "soft"]
)
def test_silence_is_refused(clips, tmp_path, level, is_silent):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(level=level))
    if is_silent:
        assert str(failure(clips, path)) == "silent: nothing louder than −80 dBFS"
    else:
        assert clips.submit(path).result(120).shape == (512,)


def test_a_model_that_cannot_be_loaded_is_not_the_clips_fault(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    clips = Clips(ClipWork(tmp_path / "model.onnx", FrontEnd(), 1, 100))
    path = write(tmp_path / "a.wav", tune(1, 8_000), 8_000)
    try:
        error = failure(clips, path)
        assert isinstance(error, ModelError)
        assert "ONNX Runtime cannot load it" in str(error)
    finally:
        clips.close()


def test_a_file_that_is_gone_is_not_the_clips_fault(clips, tmp_path):
    error = failure(clips, tmp_path / "nowhere")
    assert type(error) is VibeError


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (WorkerDied(-signal.SIGPROF), AudioError, "took 10 s of CPU time to decode; given up"),
        (
            TimeoutError(),
            StarvedError,
            "too little CPU time for the clip in 20 s: the machine is busy; try again in a moment",
        ),
        (MemoryError(), AudioError, "needs more than 384 MiB to decode; given up"),
        (WorkerDied(-11), AudioError, "the decoder crashed (SIGSEGV)"),
        (WorkerNotStarted(1), VibeError, "the decoder cannot be started (exit code 1)"),
        (VibeError("IndexError: x"), AudioError, "IndexError: x"),
        (ModelError("x"), ModelError, "x"),
        (AudioError("x"), AudioError, "x"),
        (RuntimeError("closed"), VibeError, "RuntimeError: closed"),
    ],
)
def test_a_failure_is_the_clips_or_ours(clips, error, kind, message):
    found = clips.failure(error)
    assert (type(found), str(found)) == (kind, message)


def test_a_clip_that_takes_the_time_is_to_blame(work, tmp_path):
    """Headers of ADTS, a second and more of decoding, however fast or slow the machine."""
    path, good = tmp_path / "a.aac", tmp_path / "good.wav"
    path.write_bytes(b"\xff\xf1\x50\x80\x00\xff\xfc" * 1_000_000)
    good.write_bytes(wav())
    clips = Clips(replace(work, timeout_s=600, cpu_s=0.1))
    try:
        error = failure(clips, path)
        assert (type(error), str(error)) == (
            *(AudioError, "took 0.1 s of CPU time to decode; given up"),
        )
        assert clips.submit(good).result(120).shape == (512,), "encoding is not the clip's doing"
    finally:
        clips.close()


def test_a_clip_that_got_no_time_is_not(work, tmp_path):
    """A worker that is stopped gets as little as one can."""
    path = write(tmp_path / "a.wav", tune(1, 8_000), 8_000)
    clips = Clips(replace(work, timeout_s=0.5))
    try:
        worker = clips._pool._all[0]
        worker._start()
        os.kill(worker._process.pid, signal.SIGSTOP)
        error = failure(clips, path)
        assert type(error) is StarvedError
        assert error.retry_after_s == 10
        assert worker._process is None, "none is left behind, stopped"
    finally:
        clips.close()


def test_the_worker_stays_and_yields(clips, tmp_path):
    path = write(tmp_path / "a.wav", tune(1, 8_000), 8_000)
    clips.submit(path).result(120)
    process = clips._pool._all[0]._process
    ours, its = (os.getpriority(os.PRIO_PROCESS, pid) for pid in (0, process.pid))
    assert ours <= its == 19
    clips.submit(path).result(120)
    assert clips._pool._all[0]._process is process


def test_it_needs_no_semaphore(work, tmp_path):
    """Lambda has no /dev/shm, where they would be."""
    write(tmp_path / "a.wav", tune(1, 8_000), 8_000)
    run = python("-c", f"""
import _multiprocessing
del _multiprocessing.SemLock
from pathlib import Path
from embed.clip import Clips, ClipWork
from embed.spec import FrontEnd
if __name__ == "__main__":
    try:
        import multiprocessing.synchronize
    except ImportError:
        print("no semaphores")
    clips = Clips(ClipWork(Path({str(work.model)!r}), FrontEnd(), 3, 100))
    print(clips.submit(Path({str(tmp_path / "a.wav")!r})).result(120).shape)
    clips.close()
""")  # fmt: skip
    assert run.stdout.splitlines() == ["no semaphores", "(512,)"], run.stderr
