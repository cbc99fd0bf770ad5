"""The approximate index through changes: songs that come, leave and change, and the pipeline."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.errors import BundleError
from embed.indexfile import ABOUT_FILE, GONE, GRAPH_FILE, has_index
from embed.opening import open_index
from tests.albums import Runs
from tests.clusters import ALWAYS, LEAST_RECALL, SONGS, VECTORS, names, recall, slots, write
from tests.serving import random_vectors, song, write_bundle


@pytest.fixture
def bundle(clustered: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clustered, tmp_path / "b"))


def test_an_added_album_takes_the_next_slots(tmp_path: Path) -> None:
    """Its name comes first, so that every row is numbered anew."""
    root = write(tmp_path / "b", range(30, SONGS))
    before = slots(root)
    write(root, range(SONGS))
    after = slots(root)
    assert after[: SONGS - 30] == [row + 30 for row in before]
    assert sorted(after[SONGS - 30 :]) == list(range(30))
    assert recall(root) >= LEAST_RECALL


def test_grown_by_albums_it_is_as_good_as_built_at_once(tmp_path: Path) -> None:
    root = tmp_path / "b"
    for end in range(SONGS - 300, SONGS + 1, 60):
        write(root, range(end))
    assert recall(root) >= LEAST_RECALL


def test_songs_that_leave_leave_their_slots(bundle: Path) -> None:
    before = slots(bundle)
    write(bundle, range(300, SONGS))
    assert slots(bundle) == [row - 300 if row >= 300 else GONE for row in before]
    assert json.loads((bundle / ABOUT_FILE).read_bytes())["gone"] == 300
    assert recall(bundle) >= LEAST_RECALL


def test_amid_slots_of_songs_that_have_left_as_many_are_found(bundle: Path) -> None:
    """The whole neighbourhood of the query is gone: more is fetched until there is enough."""
    write(bundle, range(300, SONGS))
    with closing(open_index(open_bundle(bundle))) as index:
        for query in VECTORS[:300:50]:
            assert len(index.search(query, 40)[0]) == 40


def test_past_a_fifth_it_is_built_anew(bundle: Path) -> None:
    write(bundle, range(SONGS // 5 + 1, SONGS))
    found = slots(bundle)
    assert len(found) == SONGS - SONGS // 5 - 1
    assert GONE not in found
    assert recall(bundle) >= LEAST_RECALL


def test_a_changed_song_gets_a_slot_of_its_own(bundle: Path) -> None:
    songs = [song(name) for name in names(range(SONGS))]
    songs[7] = song(songs[7].name, content="other bytes")
    vectors = VECTORS.copy()
    vectors[7] = random_vectors(1)[0]
    write_bundle(bundle, songs, vectors, approximate_from=ALWAYS)
    assert slots(bundle)[-1] == 7
    assert len(slots(bundle)) == SONGS + 1
    with closing(open_index(open_bundle(bundle))) as index:
        assert index.search(vectors[7], 1)[0].tolist() == [7]


def test_copies_keep_a_slot_each(tmp_path: Path) -> None:
    songs = [song(f"{name} {copy}", content=name) for name in names(range(50)) for copy in "ab"]
    vectors = np.repeat(VECTORS[:50], 2, axis=0)
    root = write_bundle(tmp_path / "b", songs, vectors, approximate_from=ALWAYS)
    before = slots(root)
    write_bundle(root, songs[:-2], vectors[:-2], approximate_from=ALWAYS)
    assert slots(root) == [row if row < 98 else GONE for row in before]


def test_another_model_is_another_index(bundle: Path) -> None:
    songs = [song(name) for name in names(range(200))]
    write_bundle(bundle, songs, VECTORS[:200], model=b"another", approximate_from=ALWAYS)
    assert len(slots(bundle)) == 200


# --- Through the pipeline


def test_a_bundle_without_an_index_gets_one(run: Runs) -> None:
    run()
    assert not has_index(open_bundle(run.bundle))
    report = run(approximate_from=ALWAYS)
    assert (report.embedded, report.changed) == (0, True)
    assert sorted(slots(run.bundle)) == [0, 1, 2, 3]
    assert not run(approximate_from=ALWAYS).changed


def test_an_index_that_is_damaged_is_made_anew(run: Runs) -> None:
    run(approximate_from=ALWAYS)
    whole = (run.bundle / GRAPH_FILE).read_bytes()
    (run.bundle / GRAPH_FILE).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BundleError, match=GRAPH_FILE):
        open_index(open_bundle(run.bundle))
    assert run(approximate_from=ALWAYS).changed
    assert (run.bundle / GRAPH_FILE).read_bytes() == whole
