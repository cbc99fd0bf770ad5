"""From what was measured here to 1, 10 and 100 million songs: hours, dollars, bytes, requests.

    python -m tests.bench.roadmap [--results bench/results.json] [--cluster bench/cluster.json]

Reads what ``make bench``, ``make bench-scale`` and ``python -m tests.bench.cluster`` left, and
prints Markdown; what has not been measured is called so. Prices are flags: look them up on the day.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import click
from tabulate import tabulate

SIZES: Final = (1_000_000, 10_000_000, 100_000_000)

SONGS_PER_SHARD: Final = 128  # embed.cluster.chunks.SONGS, which loads no Ray here
_SHARD_GETS: Final = 2
"""The actor looks for an earlier shard, the driver reads the new one."""
_SHARD_PUTS: Final = 3
"""A HEAD before and after the PUT (embed/store/s3.py); counted as dear as it."""
_LISTED: Final = 1_000  # keys that S3 lists at a time

VECTOR_BYTES: Final = 512 * 4
LOG_MEL_BYTES: Final = 5 * 1001 * 64 * 4


@dataclass(frozen=True, slots=True)
class Measured:
    """Songs a second of the whole pipeline and on how many cores; bytes, None if not measured.

    ``index_build_s`` (of one core) and ``index_bytes`` are those of the approximate index a song,
    ``driver_bytes`` what the driver of a Ray run holds a song.
    """

    songs_per_s: float
    cores: int
    shard_bytes: float | None = None
    catalogue_bytes: float | None = None
    state_bytes: float | None = None
    driver_bytes: float | None = None
    index_build_s: float | None = None
    index_bytes: float | None = None
    milvus_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars: of a spot vCPU an hour, of thousand requests, of a GB a month."""

    vcpu_hour: float = 0.015
    puts: float = 0.005
    gets: float = 0.0004
    gb_month: float = 0.023


def read_measured(
    results: Mapping[str, Any], cluster: Mapping[str, Any] | None, row: str
) -> Measured:
    """The figures in the benchmarks' JSON; ``row`` names the pipeline's. Raises KeyError."""
    cores = int(re.search(r"(\d+) cores", results["machine"])[1])  # type: ignore[index]
    build_s, index_bytes = _index(results)
    return Measured(
        songs_per_s=_row(results, "pipeline", row)["value"],
        cores=cores,
        index_build_s=build_s,
        index_bytes=index_bytes,
        **_of_cluster(cluster),
    )


def _row(results: Mapping[str, Any], part: str, what: str) -> Mapping[str, Any]:
    for found in results["parts"]:
        for row in found["rows"] if found["name"] == part else ():
            if row["what"] == what:
                return dict(row)
    raise KeyError(f"{part}: {what}")


def _index(results: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Seconds to build and bytes resident a song, of the largest approximate index measured."""
    found: dict[int, dict[str, float]] = {}
    for part in results["parts"]:
        for row in part["rows"] if part["name"] == "scale" else ():
            named = re.match(r"([\d,]+), USearch, re-ranked: (build|resident)", row["what"])
            if named:
                songs = int(named[1].replace(",", ""))
                found.setdefault(songs, {})[named[2]] = row["value"]
    if not found:
        return None, None
    songs, values = max(found.items())
    build, resident = values.get("build"), values.get("resident")
    return (
        None if build is None else build / songs,
        None if resident is None else resident * 2**20 / songs,
    )


def _of_cluster(cluster: Mapping[str, Any] | None) -> dict[str, float]:
    if cluster is None:
        return {}
    peaks = {mark["stage"]: mark["peak_mib"] for mark in cluster["marks"]}
    grown = (peaks["catalogue and vectors"] - peaks["the first songs"]) * 2**20
    return {
        "shard_bytes": cluster["shard_bytes_per_song"],
        "catalogue_bytes": cluster["catalogue_bytes_per_song"],
        "state_bytes": cluster["state_bytes_per_song"],
        "driver_bytes": grown / (cluster["songs"] - cluster["first_songs"]),
    }


def tables(measured: Measured, prices: Prices, song_mb: float) -> str:
    """The Markdown of it all."""
    columns = ["", *(f"{size // 1_000_000} M songs" for size in SIZES)]
    rows = [*_embedding(measured, prices), *_requests(prices), *_bytes(measured, song_mb, prices)]
    return str(tabulate(rows, columns, "github", disable_numparse=True))


def _embedding(measured: Measured, prices: Prices) -> list[list[str]]:
    rate = measured.songs_per_s / measured.cores
    hours = [size / rate / 3600 for size in SIZES]
    return [
        ["vCPU-hours of embedding", *(f"{each:,.0f}" for each in hours)],
        ["spot dollars", *(f"{each * prices.vcpu_hour:,.2f}" for each in hours)],
        ["days on 2 vCPU", *(f"{each / 2 / 24:,.1f}" for each in hours)],
        ["hours on 400 vCPU", *(f"{each / 400:,.1f}" for each in hours)],
    ]


def _requests(prices: Prices) -> list[list[str]]:
    gets = [size + size / SONGS_PER_SHARD * _SHARD_GETS for size in SIZES]
    puts = [size / SONGS_PER_SHARD * _SHARD_PUTS + size / _LISTED for size in SIZES]
    paid = [
        (get * prices.gets + put * prices.puts) / 1_000 for get, put in zip(gets, puts, strict=True)
    ]
    return [
        ["S3: GET", *(f"{each:,.0f}" for each in gets)],
        ["S3: PUT, HEAD, LIST", *(f"{each:,.0f}" for each in puts)],
        ["dollars of requests", *(f"{each:,.2f}" for each in paid)],
    ]


def _bytes(measured: Measured, song_mb: float, prices: Prices) -> list[list[str]]:
    def line(what: str, each: float | None) -> list[str]:
        if each is None:
            return [what, *["not measured"] * len(SIZES)]
        return [
            f"{what} ({each:,.0f} B a song)",
            *(f"{each * size / 1e9:,.1f} GB" for size in SIZES),
        ]

    build = measured.index_build_s
    return [
        line(f"songs, of {song_mb:g} MB", song_mb * 1e6),
        [
            "dollars a month for them",
            *(f"{song_mb / 1e3 * s * prices.gb_month:,.0f}" for s in SIZES),
        ],
        line("log-mels, which leave no machine", LOG_MEL_BYTES),
        line("shards", measured.shard_bytes),
        line("vectors.npy", VECTOR_BYTES),
        line("catalogue.sqlite", measured.catalogue_bytes),
        line("the run's record, on the driver's disk", measured.state_bytes),
        line("memory of the driver, beyond 0.3 GB", measured.driver_bytes),
        line("memory of the approximate index", measured.index_bytes),
        line("memory of Milvus", measured.milvus_bytes),
        [
            "core-hours of building the index",
            *("not measured" if build is None else f"{build * s / 3600:,.1f}" for s in SIZES),
        ],
    ]


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=Path("bench/results.json"))
@click.option("--scale", type=click.Path(path_type=Path), default=Path("bench/scale/results.json"))
@click.option("--cluster", type=click.Path(path_type=Path), default=Path("bench/cluster.json"))
@click.option("--row", default="int8, windows 5", help="Of the part pipeline. [int8, windows 5]")
@click.option("--vcpu-hour", type=float, default=0.015, help="$ of a spot vCPU an hour.")
@click.option("--puts", type=float, default=0.005, help="$ of 1,000 PUT, LIST.")
@click.option("--gets", type=float, default=0.0004, help="$ of 1,000 GET.")
@click.option("--gb-month", type=float, default=0.023, help="$ of a GB a month.")
@click.option("--song-mb", type=float, default=5.0, help="Megabytes of a song's file.")
@click.option("--milvus-bytes", type=float, help="Memory of Milvus a song, once measured.")
def main(
    results: Path,
    scale: Path,
    cluster: Path,
    row: str,
    song_mb: float,
    milvus_bytes: float | None,
    **prices: float,
) -> None:
    """Print the tables."""
    found = json.loads(results.read_text())
    if scale.exists():
        found["parts"] += json.loads(scale.read_text())["parts"]
    driver = json.loads(cluster.read_text()) if cluster.exists() else None
    measured = read_measured(found, driver, row)
    measured = replace(measured, milvus_bytes=milvus_bytes)
    click.echo(tables(measured, Prices(**prices), song_mb))


if __name__ == "__main__":
    main()
