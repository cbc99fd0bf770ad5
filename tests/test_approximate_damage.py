"""An approximate index that is damaged, foreign or half there: refused by name, and made anew."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from usearch import index as usearch

from embed.bundle import open_bundle
from embed.commands.verify import verify
from embed.errors import BundleError
from embed.hnsw import Graph
from embed.indexfile import ABOUT_FILE, GONE, GRAPH_FILE, ROWS_FILE
from embed.manifest import VECTORS_FILE
from embed.opening import open_index
from embed.writer import BundleWriter
from tests.clusters import SONGS, VECTORS, write


@pytest.fixture
def bundle(clustered: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clustered, tmp_path / "b"))


def replace(root: Path, name: str, content: bytes) -> None:
    """Another file of that name in the bundle, listed as if it belonged there."""
    with BundleWriter(root) as writer:
        previous = writer.previous
        assert previous is not None
        writer.stage(name).write_bytes(content)
        writer.commit(model=previous.model, spec=previous.spec, songs=previous.songs)


def as_array(rows: Any, kind: type = np.int32) -> Callable[[Path], bytes]:
    def content(folder: Path) -> bytes:
        np.save(folder / "rows.npy", np.asarray(rows, kind))
        return (folder / "rows.npy").read_bytes()

    return content


def part_of_graph(share: float) -> Callable[[Path], bytes]:
    def content(folder: Path) -> bytes:
        whole = (folder / "b" / GRAPH_FILE).read_bytes()
        return whole[: int(len(whole) * share)]

    return content


def graph_of(songs: int) -> Callable[[Path], bytes]:
    def content(folder: Path) -> bytes:
        graph = Graph.empty()
        graph.add(VECTORS[:songs])
        graph.save(folder / "other")
        return (folder / "other").read_bytes()

    return content


def about(**changed: Any) -> Callable[[Path], bytes]:
    def content(folder: Path) -> bytes:
        value = json.loads((folder / "b" / ABOUT_FILE).read_bytes())
        return json.dumps(value | changed).encode()

    return content


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (GRAPH_FILE, lambda _: b"", "not an index of embeddings"),
        (GRAPH_FILE, lambda _: b"PK" * 4_000, "not an index of embeddings"),
        (GRAPH_FILE, part_of_graph(0.0001), "not an index of embeddings"),
        (GRAPH_FILE, part_of_graph(0.5), "not an index of embeddings"),
        (GRAPH_FILE, part_of_graph(0.999), "not an index of embeddings"),
        (GRAPH_FILE, graph_of(10), f"10 nodes, expected {SONGS}"),
        (ROWS_FILE, lambda _: b"no array", "not an array"),
        (ROWS_FILE, as_array(range(SONGS), np.int64), "int64"),
        (ROWS_FILE, as_array(range(SONGS - 1)), rf"expected int32 \({SONGS},\)"),
        (ROWS_FILE, as_array([0] * SONGS), "expected one for each"),
        (ROWS_FILE, as_array([*range(SONGS - 1), GONE]), f"{SONGS - 1} slots of songs"),
        (ABOUT_FILE, lambda _: b"{", "not an index's description"),
        (ABOUT_FILE, lambda _: b"[]", "not an index's description"),
        (ABOUT_FILE, about(more=1), "not an index's description"),
        (ABOUT_FILE, about(format=2), "format 2, this program reads 1"),
        (ABOUT_FILE, about(vectors_sha256="0" * 64), "of vectors 0000"),
    ],
)
def test_a_foreign_or_torn_index_is_refused_and_made_anew(
    bundle: Path, clustered: Path, name: str, content: Callable[[Path], bytes], reason: str
) -> None:
    replace(bundle, name, content(bundle.parent))
    with pytest.raises(BundleError, match=reason) as caught:
        open_index(open_bundle(bundle))
    assert str(bundle / name) in str(caught.value)
    write(bundle, range(SONGS))
    assert (bundle / GRAPH_FILE).read_bytes() == (clustered / GRAPH_FILE).read_bytes()


def test_an_index_of_other_numbers_is_refused(bundle: Path) -> None:
    """USearch would read it, and answer something."""
    other = usearch.Index(ndim=8, metric="cos", dtype="f32")
    other.add(np.arange(SONGS, dtype=np.uint64), VECTORS[:, :8])
    other.save(bundle.parent / "other")
    replace(bundle, GRAPH_FILE, (bundle.parent / "other").read_bytes())
    with pytest.raises(BundleError, match=r"expected \(512, 'ScalarKind.I8', 'MetricKind.Cos'\)"):
        open_index(open_bundle(bundle))


def test_an_index_that_is_half_there_is_refused(bundle: Path) -> None:
    root = open_bundle(bundle)
    files = {name: info for name, info in root.manifest.files.items() if name != ROWS_FILE}
    manifest = type(root.manifest)(files, root.manifest.model, root.manifest.spec, SONGS)
    (bundle / "manifest.json").write_bytes(manifest.to_bytes())
    with pytest.raises(BundleError, match=f"holds no {ROWS_FILE}"):
        open_index(open_bundle(bundle))


def test_a_row_that_is_no_embedding_is_told_when_it_is_read(bundle: Path) -> None:
    """They are not all looked at when the index is opened."""
    with closing(open_index(open_bundle(bundle))) as index:
        with (bundle / VECTORS_FILE).open("r+b") as file:
            file.seek(128 + 2_048 * 7)
            file.write(b"\0" * 2_048)
        assert len(index.search(VECTORS[2_990], 5)[0]) == 5
        with pytest.raises(BundleError, match="row 7 has length 0, expected 1"):
            index.search(VECTORS[7], 5)


def test_verify_looks_at_the_index(bundle: Path) -> None:
    assert [check for check in verify(bundle) if check.problem is not None] == []
    replace(bundle, ABOUT_FILE, about(vectors_sha256="0" * 64)(bundle.parent))
    problems = {check.name: check.problem for check in verify(bundle) if check.problem is not None}
    assert problems.keys() == {"index of these vectors"}
    assert "of vectors 0000" in str(problems["index of these vectors"])
