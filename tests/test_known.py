"""What is embedded already: asked by a run, and by processes that only got a pickle."""

from __future__ import annotations

import pickle
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embed.bundle import open_bundle
from embed.errors import BundleError
from embed.known import KnownEmbeddings
from embed.state import STATE_FILE, State
from tests.serving import random_vectors, song, write_bundle
from tests.test_state import FACTS, SONG, VECTOR

OTHER = "cd" * 32


def test_a_copy_elsewhere_knows_at_once_what_is_recorded(tmp_path: Path) -> None:
    with State(tmp_path / "s") as state, closing(KnownEmbeddings(state.path, "spec")) as known:
        with closing(pickle.loads(pickle.dumps(known))) as copy:
            assert (FACTS.sha256 in copy, OTHER in copy) == (False, False)
            state.record(SONG, FACTS, ("spec", VECTOR))
            state.record(SONG, replace(FACTS, sha256=OTHER), ("another spec", VECTOR))
            assert (FACTS.sha256 in copy, OTHER in copy) == (True, False)
            assert copy.duration_s(FACTS.sha256) == FACTS.duration_s
            assert np.array_equal(copy.vector(FACTS.sha256), VECTOR)
        with pytest.raises(KeyError):
            known.duration_s(OTHER)


def test_the_bundle_counts_where_the_spec_is_its_own(tmp_path: Path) -> None:
    songs = [replace(song(name), sha256=f"{at:064x}") for at, name in enumerate("ABCB")]
    songs[3] = replace(songs[3], id="f" * 20, path="copy", sha256=songs[1].sha256)
    vectors = random_vectors(4)
    vectors[3] = vectors[1]
    bundle = open_bundle(write_bundle(tmp_path / "b", songs, vectors))
    assert bundle.manifest.spec is not None
    with State(bundle.root / STATE_FILE) as state:
        state.record(SONG, FACTS, (bundle.manifest.spec.digest, VECTOR))
        with closing(KnownEmbeddings.of(bundle, state.path, bundle.manifest.spec.digest)) as known:
            assert [one.sha256 in known for one in songs] == [True] * 4
            for one, vector in zip(songs, vectors, strict=True):
                assert np.array_equal(known.vector(one.sha256), vector)
                assert known.duration_s(one.sha256) == one.duration_s
            assert np.array_equal(known.vector(FACTS.sha256), VECTOR)
            assert OTHER not in known
        with closing(KnownEmbeddings.of(bundle, state.path, "another spec")) as known:
            assert [one.sha256 in known for one in songs] == [False] * 4


def test_a_record_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"not a database" * 100)
    with pytest.raises(BundleError, match=r"/s: file is not a database; delete it to begin anew$"):
        assert OTHER in KnownEmbeddings(tmp_path / "s", "spec")
