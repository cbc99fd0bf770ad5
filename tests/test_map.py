"""The map: songs that sound alike lie together; it is repeatable, and keeps its shape."""

from __future__ import annotations

import textwrap
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from embed.assemble import stage_songs
from embed.bundle import open_bundle
from embed.catalogue import Catalogue
from embed.errors import BundleError
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE
from embed.mapfile import MAP_FILE, Map, read_map
from embed.planar import LEAST, evenly, lay_out, nearest, place, principal
from embed.songmap import missing_map, quantised
from embed.writer import BundleWriter
from tests.albums import Runs
from tests.processes import python
from tests.serving import random_vectors, song, unit, write_bundle
from tests.tiny_model import write_model_bundle

CLUSTERS = 6


def clusters(songs: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Embeddings of ``songs`` songs in six clusters, and each one's cluster."""
    rng = np.random.default_rng(seed)
    of = rng.integers(0, CLUSTERS, songs)
    centres = np.random.default_rng(99).standard_normal((CLUSTERS, 512)) * 1.5
    return unit(centres[of] + rng.standard_normal((songs, 512))), of


def share_of_own(points: NDArray[np.generic], of: NDArray[np.int64]) -> float:
    """How many of each point's five nearest are of its cluster."""
    rows, _ = nearest(points.astype(np.float32), points.astype(np.float32), 6)
    return float((of[rows[:, 1:]] == of[:, None]).mean())


def test_songs_that_sound_alike_lie_together() -> None:
    vectors, of = clusters(150)
    scores = principal(vectors)
    assert share_of_own(lay_out(scores), of) > 0.97
    assert share_of_own(random_vectors(150)[:, :2], of) < 0.4, "or it would hold of anything"


def test_the_same_songs_give_the_same_map() -> None:
    vectors, _ = clusters(60)
    first, second = (lay_out(principal(vectors)) for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("songs", [1, 2, 3, LEAST - 1, LEAST, LEAST + 1])
def test_few_songs(songs: int) -> None:
    points = quantised(lay_out(principal(random_vectors(songs))))
    assert points.shape == (songs, 2)
    assert len(np.unique(points, axis=0)) == songs
    if songs > 1:
        assert (points.max(), points.min()) == (65_535, 0)


def test_songs_that_are_all_the_same() -> None:
    points = quantised(lay_out(principal(np.tile(random_vectors(1), (40, 1)))))
    assert len(np.unique(points, axis=0)) == 1


def test_many_copies_of_one_song_among_others() -> None:
    vectors = np.concatenate([np.tile(random_vectors(1), (120, 1)), random_vectors(40, seed=1)])
    assert np.isfinite(lay_out(principal(vectors))).all()


def test_without_opentsne_two_components_do() -> None:
    """As on Linux on ARM, for which it has no wheels."""
    program = """
        import sys
        sys.modules["openTSNE"] = None
        import numpy as np
        from embed.planar import lay_out
        scores = np.random.default_rng(0).standard_normal((30, 9)).astype(np.float32)
        old = np.random.default_rng(1).standard_normal((30, 2)).astype(np.float32)
        assert np.array_equal(lay_out(scores), scores[:, :2])
        assert np.array_equal(lay_out(scores, old), old)
    """
    run = python("-c", textwrap.dedent(program))
    assert run.returncode == 0, run.stderr


def test_more_songs_than_landmarks() -> None:
    vectors, of = clusters(400)
    assert share_of_own(lay_out(principal(vectors), landmarks=100), of) > 0.95


def test_principal_components_are_those_of_the_covariance() -> None:
    vectors = clusters(80)[0].astype(np.float64)
    centred = vectors - vectors.mean(axis=0)
    expected = centred @ np.linalg.svd(centred, full_matrices=False)[2].T
    found = principal(vectors.astype(np.float32))
    assert found.shape == (80, 50)
    assert np.abs(found) == pytest.approx(np.abs(expected[:, :50]), abs=1e-4)


def test_nearest_is_exact() -> None:
    some, among = random_vectors(20, seed=1)[:, :8], random_vectors(700, seed=2)[:, :8]
    distances = np.linalg.norm(some[:, None].astype(np.float64) - among[None], axis=2)
    rows, found = nearest(some, among, 7)
    assert np.array_equal(rows, np.argsort(distances, axis=1, kind="stable")[:, :7])
    assert found == pytest.approx(np.sort(distances, axis=1)[:, :7], abs=1e-4)


def test_a_song_is_placed_amid_those_it_sounds_like() -> None:
    among, of = clusters(100)
    points = np.stack([of * 100, np.zeros_like(of)], axis=1).astype(np.float32)
    queries, expected = clusters(30, seed=5)
    found = place(queries, among, points)
    assert np.abs(found[:, 0] - expected * 100).max() < 50


@pytest.mark.parametrize(("songs", "most", "expected"), [(3, 5, [0, 1, 2]), (9, 3, [0, 3, 6])])
def test_evenly(songs: int, most: int, expected: list[int]) -> None:
    assert evenly(songs, most).tolist() == expected


def write(root: Path, names: list[str], vectors: NDArray[np.float32]) -> dict[str, list[int]]:
    """The map that ``root`` then holds, by name."""
    write_bundle(root, [song(name) for name in names], vectors)
    return shown(root)


def shown(root: Path) -> dict[str, list[int]]:
    bundle = open_bundle(root)
    catalogue = Catalogue(bundle.file(CATALOGUE_FILE))
    found = read_map(bundle)
    assert found is not None
    by_name = dict(zip(catalogue.names, found.tolist(), strict=True))
    catalogue.close()
    return by_name


def test_an_added_album_leaves_the_map_as_it_is(tmp_path: Path) -> None:
    vectors, of = clusters(110)
    names = [f"A - {at:03}" for at in range(110)]
    before = write(tmp_path / "b", names[:100], vectors[:100])
    assert {flag for *_, flag in before.values()} == {0}
    after = write(tmp_path / "b", names, vectors)
    assert {name: after[name] for name in names[:100]} == before
    assert [after[name][2] for name in names[100:]] == [1] * 10
    points = np.array([after[name][:2] for name in names])
    rows, _ = nearest(points[100:].astype(np.float32), points[:100].astype(np.float32), 5)
    assert (of[rows] == of[100:, None]).mean() > 0.9


def test_removed_songs_leave_the_others_where_they_are(tmp_path: Path) -> None:
    vectors, _ = clusters(60)
    names = [f"A - {at:03}" for at in range(60)]
    before = write(tmp_path / "b", names, vectors)
    after = write(tmp_path / "b", names[5:40], vectors[5:40])
    assert after == {name: before[name] for name in names[5:40]}


def test_past_a_fifth_it_is_laid_out_anew_and_keeps_its_shape(tmp_path: Path) -> None:
    vectors, of = clusters(130)
    names = [f"A - {at:03}" for at in range(130)]
    before = write(tmp_path / "b", names[:80], vectors[:80])
    after = write(tmp_path / "b", names, vectors)
    assert {flag for *_, flag in after.values()} == {0}
    old = np.array([before[name][:2] for name in names[:80]], float)
    new = np.array([after[name][:2] for name in names[:80]], float)
    for axis in (0, 1):
        assert np.corrcoef(old[:, axis], new[:, axis])[0, 1] > 0.8
    assert share_of_own(np.array([after[name][:2] for name in names]), of) > 0.95


def test_another_model_is_another_map(run: Runs, tmp_path: Path) -> None:
    """Old places mean nothing to it: none is kept, so none counts as placed."""
    run()
    write_model_bundle(tmp_path / "other", seed=1)
    assert run(model=str(tmp_path / "other")).changed
    assert {flag for *_, flag in shown(run.bundle).values()} == {0}


def test_a_bundle_without_a_map_gets_one(run: Runs) -> None:
    run()
    with_map = (run.bundle / MAP_FILE).read_bytes()
    without_map(run.bundle)
    assert read_map(open_bundle(run.bundle)) is None
    report = run()
    assert report.changed
    assert (run.bundle / MAP_FILE).read_bytes() == with_map
    assert not run().changed


def without_map(root: Path) -> None:
    """As an older version wrote it."""
    bundle = open_bundle(root)
    catalogue = Catalogue(bundle.file(CATALOGUE_FILE))
    songs = list(catalogue.songs())
    catalogue.close()
    vectors = np.load(bundle.file(VECTORS_FILE))
    rows = {one.id: row for row, one in enumerate(songs)}
    manifest = bundle.manifest
    assert manifest.spec is not None
    with BundleWriter(root) as writer:
        stage_songs(writer, songs, manifest.spec, lambda one: vectors[rows[one.id]])
        writer.commit(model=manifest.model, spec=manifest.spec, songs=len(songs))
        assert missing_map(writer)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((2, 2), np.uint16), r"uint16 \(2, 2\), expected uint16 \(3, 3\)"),
        (np.zeros((3, 3), np.float32), r"float32 \(3, 3\), expected uint16 \(3, 3\)"),
        (None, "not a map"),
    ],
)
def test_a_map_of_something_else_is_refused(
    tmp_path: Path, content: Map | None, message: str
) -> None:
    root = write_bundle(tmp_path / "b", [song(name) for name in "abc"], random_vectors(3))
    with BundleWriter(root) as writer:
        previous = writer.previous
        assert previous is not None
        path = writer.stage(MAP_FILE)
        if content is None:
            path.write_bytes(b"no array")
        else:
            with path.open("wb") as file:
                np.save(file, content)
        writer.commit(model=previous.model, spec=previous.spec, songs=3)
    with pytest.raises(BundleError, match=message):
        read_map(open_bundle(root))
