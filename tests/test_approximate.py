"""The approximate index: nearly the exact one's answers, through changes, filters and damage."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from usearch import index as usearch

from embed.approximate import ApproximateIndex
from embed.bundle import open_bundle
from embed.choice import Sought
from embed.commands.verify import verify
from embed.errors import BundleError, SearchError
from embed.hnsw import Graph
from embed.index import ExactIndex
from embed.indexfile import ABOUT_FILE, GONE, GRAPH_FILE, ROWS_FILE, has_index, read_index_files
from embed.library import Library, open_songs
from embed.manifest import VECTORS_FILE
from embed.opening import open_index
from embed.writer import BundleWriter
from tests.albums import Runs
from tests.serving import random_vectors, song, unit, write_bundle

SONGS = 3_000
ALWAYS = 1
LEAST_RECALL = 0.99


def like_clap(songs: int, seed: int = 0) -> NDArray[np.float32]:
    """Embeddings in a cone (mean cosine 0.75), in clusters of 30 whose spread falls off."""
    rng = np.random.default_rng(seed)
    spectrum = (1 + np.arange(512)) ** -0.5
    spectrum /= np.linalg.norm(spectrum)
    centres = rng.standard_normal((songs // 30 + 1, 512)) * spectrum
    own = rng.standard_normal((songs, 512)) * spectrum
    spread = centres[np.arange(songs) // 30] + 0.5 * own
    cone = unit(np.random.default_rng(99).standard_normal(512))
    return unit(np.sqrt(0.75) * cone + 0.5 * unit(spread))


VECTORS = like_clap(SONGS)


def names(numbers: range) -> list[str]:
    return [f"Artist {number // 30:04} - Song {number:05}" for number in numbers]


def write(root: Path, numbers: range, vectors: NDArray[np.float32] = VECTORS) -> Path:
    """A bundle of the songs with these numbers; their rows are in that order, too."""
    songs = [song(name) for name in names(numbers)]
    return write_bundle(root, songs, vectors[numbers], approximate_from=ALWAYS)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("made") / "b", range(SONGS))


@pytest.fixture
def bundle(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "b"))


@pytest.fixture
def index(bundle: Path) -> Iterator[ApproximateIndex]:
    opened = open_index(open_bundle(bundle))
    assert isinstance(opened, ApproximateIndex)
    yield opened
    opened.close()


@pytest.fixture
def exact(bundle: Path) -> Iterator[ExactIndex]:
    with closing(ExactIndex(bundle / VECTORS_FILE)) as opened:
        yield opened


def recall(root: Path, count: int = 10, queries: int = 100) -> float:
    """Share of the truly nearest that are found."""
    found = 0
    with closing(open_index(open_bundle(root))) as index:
        assert isinstance(index, ApproximateIndex)
        with closing(ExactIndex(root / VECTORS_FILE)) as exact:
            rows = np.linspace(0, len(exact) - 1, queries).astype(np.int64)
            for query in exact.vectors(rows):
                truth = exact.search(query, count)[0].tolist()
                found += len(set(truth) & set(index.search(query, count)[0].tolist()))
    return found / (count * queries)


@pytest.mark.parametrize("count", [1, 10, 50])
def test_nearly_all_of_the_nearest_are_found(made: Path, count: int) -> None:
    assert recall(made, count) >= LEAST_RECALL


def test_similarities_are_the_exact_ones_in_order(
    index: ApproximateIndex, exact: ExactIndex
) -> None:
    for query in (VECTORS[17], unit(VECTORS[:3].sum(axis=0)), random_vectors(1)[0]):
        rows, similarities = index.search(query, 20)
        truth = dict(zip(*(found.tolist() for found in exact.search(query, SONGS)), strict=True))
        assert similarities.tolist() == [truth[row] for row in rows.tolist()]
        assert (np.diff(similarities) <= 0).all()
        assert (rows.dtype, similarities.dtype) == (np.int64, np.float32)


@pytest.mark.parametrize("count", [SONGS // 16, SONGS // 2, SONGS, SONGS + 5])
def test_of_a_large_share_the_answer_is_exact(
    index: ApproximateIndex, exact: ExactIndex, count: int
) -> None:
    for query in VECTORS[[3, 1_500]]:
        rows, similarities = index.search(query, count)
        expected = exact.search(query, count)
        assert rows.tolist() == expected[0].tolist()
        assert similarities.tobytes() == expected[1].tobytes()


@pytest.mark.parametrize("count", [0, -1, 1, 49, 93, 94, 400])
def test_as_many_as_asked_for(index: ApproximateIndex, count: int) -> None:
    rows, _ = index.search(random_vectors(1)[0], count)
    assert len(rows) == len(set(rows.tolist())) == max(0, count)


def test_equal_embeddings_tie_and_come_by_row(tmp_path: Path) -> None:
    vectors = VECTORS.copy()
    vectors[[5, 700, 1_300]] = vectors[2_000]
    with closing(open_index(open_bundle(write(tmp_path / "b", range(SONGS), vectors)))) as index:
        rows, similarities = index.search(vectors[2_000], 4)
    assert rows.tolist() == [5, 700, 1_300, 2_000]
    assert len(set(similarities.tolist())) == 1


def test_a_query_of_another_size_is_refused(index: ApproximateIndex) -> None:
    with pytest.raises(SearchError, match=r"shape \(7,\), expected \(512,\)"):
        index.search(np.ones(7, np.float32), 3)


def test_the_same_songs_make_the_same_index(made: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again", range(SONGS))
    for name in (GRAPH_FILE, ROWS_FILE, ABOUT_FILE):
        assert (again / name).read_bytes() == (made / name).read_bytes()


def test_few_songs_have_no_index(tmp_path: Path) -> None:
    root = write_bundle(
        tmp_path / "b", [song(n) for n in names(range(40))], VECTORS[:40], approximate_from=41
    )
    assert not has_index(open_bundle(root))
    with closing(open_index(open_bundle(root))) as opened:
        assert isinstance(opened, ExactIndex)


# --- Through changes


def slots(root: Path) -> list[int]:
    rows: list[int] = read_index_files(open_bundle(root)).rows.tolist()
    return rows


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


# --- Filters


@pytest.fixture
def library(bundle: Path) -> Iterator[Library]:
    _, songs, index = open_songs(bundle)
    assert isinstance(index, ApproximateIndex)
    yield Library(songs, index)
    songs.close()
    index.close()


def sought(**options: Any) -> Sought:
    return Sought(VECTORS[0], **{"top_k": 10, "seeds": [0], **options})


@pytest.mark.parametrize(
    "options",
    [
        {"excluded": range(1, 400)},
        {"without_artists_of_seeds": True},
        {"max_per_artist": 1},
        {"diversity": 0.7},
        {"not_like": [31, 95]},
        {"min_similarity": 0.76, "excluded": range(1, 60)},
        {"not_like": [29], "max_per_artist": 2, "excluded": range(20), "top_k": 50},
    ],
    ids=str,
)
def test_filtered_answers_are_as_long_and_all_but_the_same(
    library: Library, exact: ExactIndex, options: dict[str, Any]
) -> None:
    wanted = sought(**options)
    found = library.nearest(wanted)
    truth = Library(library.songs, exact).nearest(wanted)
    assert len(found) == len(truth) == wanted.top_k
    assert len({*found} & {*truth}) >= 0.9 * len(truth)


def test_a_bound_that_few_reach_ends_with_those(library: Library, exact: ExactIndex) -> None:
    wanted = sought(top_k=100, min_similarity=0.9)
    truth = Library(library.songs, exact).nearest(wanted)
    assert 0 < len(truth) < 100
    assert library.nearest(wanted) == truth


# --- Damage


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
    bundle: Path, made: Path, name: str, content: Callable[[Path], bytes], reason: str
) -> None:
    replace(bundle, name, content(bundle.parent))
    with pytest.raises(BundleError, match=reason) as caught:
        open_index(open_bundle(bundle))
    assert str(bundle / name) in str(caught.value)
    write(bundle, range(SONGS))
    assert (bundle / GRAPH_FILE).read_bytes() == (made / GRAPH_FILE).read_bytes()


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
