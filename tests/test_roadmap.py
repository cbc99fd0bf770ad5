"""The road to 100 million songs: arithmetic on what the benchmarks left, and docs/scale.md."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner

from embed.cluster.chunks import SONGS
from tests.bench.roadmap import (
    SONGS_PER_SHARD,
    Measured,
    Prices,
    main,
    read_measured,
    tables,
)
from tests.manifests import text

RESULTS = {
    "machine": "2026-11-22, Some Processor, 4 cores, Python 3.11.7",
    "parts": [
        {"name": "encoder", "rows": [{"what": "int8, windows 5", "value": 99.0}]},
        {"name": "pipeline", "rows": [{"what": "int8, windows 5", "value": 2.0}]},
        {
            "name": "scale",
            "rows": [
                {"what": "100,000, USearch, re-ranked: build", "value": 1.0},
                {"what": "1,000,000, USearch, re-ranked: build", "value": 360.0},
                {"what": "1,000,000, USearch, re-ranked: resident (less is better)", "value": 1000},
                {"what": "3,000,000, faiss HNSW, re-ranked: build", "value": 1.0},
            ],
        },
    ],
}
CLUSTER = {
    "songs": 1200,
    "first_songs": 200,
    "marks": [
        {"stage": "imports", "peak_mib": 50},
        {"stage": "the first songs", "peak_mib": 100},
        {"stage": "catalogue and vectors", "peak_mib": 101},
    ],
    "shard_bytes_per_song": 2200.0,
    "catalogue_bytes_per_song": 480.0,
    "state_bytes_per_song": 4800.0,
}


def cells(markdown: str, beginning: str) -> list[str]:
    (line,) = [one for one in markdown.splitlines() if one.startswith(f"| {beginning}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_figures_are_read_from_the_right_rows() -> None:
    found = read_measured(RESULTS, CLUSTER, "int8, windows 5")
    assert (found.songs_per_s, found.cores) == (2.0, 4)
    assert found.index_build_s == 360.0 / 1_000_000
    assert found.index_bytes == pytest.approx(1000 * 2**20 / 1_000_000)
    assert found.driver_bytes == pytest.approx(2**20 / 1000)
    assert found.shard_bytes == 2200.0


def test_a_pipeline_that_was_not_measured_is_named() -> None:
    with pytest.raises(KeyError, match="pipeline: fp32"):
        read_measured(RESULTS, None, "fp32")


def test_the_arithmetic() -> None:
    found = tables(read_measured(RESULTS, CLUSTER, "int8, windows 5"), Prices(vcpu_hour=0.01), 4.0)
    # Half a song a second and core: a million takes two million seconds.
    assert cells(found, "vCPU-hours") == ["556", "5,556", "55,556"]
    assert cells(found, "spot dollars") == ["5.56", "55.56", "555.56"]
    assert cells(found, "hours on 400") == ["1.4", "13.9", "138.9"]
    # One GET a song, and two for each 128; three PUT or HEAD for each 128, a LIST for each 1,000.
    assert cells(found, "S3: GET")[0] == "1,015,625"
    assert cells(found, "S3: PUT")[0] == "24,438"
    assert cells(found, "dollars of requests")[0] == "0.53"
    assert cells(found, "songs, of 4 MB") == ["4,000.0 GB", "40,000.0 GB", "400,000.0 GB"]
    assert cells(found, "vectors.npy")[0] == "2.0 GB"
    assert cells(found, "core-hours of building") == ["0.1", "1.0", "10.0"]


def test_what_was_not_measured_is_not_made_up() -> None:
    found = tables(Measured(2.0, 2), Prices(), 5.0)
    for what in ("shards", "memory of Milvus", "memory of the driver", "core-hours of building"):
        assert cells(found, what) == ["not measured"] * 3


def test_a_shard_is_as_long_as_the_engine_makes_it() -> None:
    assert SONGS_PER_SHARD == SONGS


def test_the_table_in_the_docs_is_computed_from_the_figure_in_the_docs() -> None:
    rate = re.search(r"^\| int8, windows 5 \| ([\d.]+) songs/s", text("docs/performance.md"), re.M)
    assert rate is not None
    wanted = tables(Measured(float(rate[1]), 2), Prices(), 5.0)
    docs = text("docs/scale.md")
    for what in ("vCPU-hours", "spot dollars", "S3: GET", "S3: PUT", "dollars of requests"):
        assert cells(docs, what) == cells(wanted, what)


def test_the_command_reads_what_each_benchmark_left(tmp_path) -> None:
    *others, scale = RESULTS["parts"]
    (tmp_path / "results.json").write_text(json.dumps(RESULTS | {"parts": others}))
    (tmp_path / "scale.json").write_text(json.dumps({"parts": [scale]}))
    (tmp_path / "cluster.json").write_text(json.dumps(CLUSTER))
    names = ("results", "scale", "cluster")
    options = [f"--{name}={tmp_path}/{name}.json" for name in names]
    found = CliRunner().invoke(main, options, catch_exceptions=False).output
    assert cells(found, "core-hours of building the index") == ["0.1", "1.0", "10.0"]
    assert "shards (2,200 B a song)" in found
    without = CliRunner().invoke(main, [options[0], "--scale=none", "--cluster=none"]).output
    assert cells(without, "core-hours of building the index") == ["not measured"] * 3
