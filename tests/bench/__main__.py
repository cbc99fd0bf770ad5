"""``make bench``: every speed against its reference, in one run, fidelity beside it.

    python -m tests.bench [--music FOLDER] [--only PART,PART,…]

Weights are random (no benchmark downloads a model): speed and parity do not depend on what
weights mean. The shipped sample model is measured beside them. Without --music the songs are
made by the sample generator, 2 to 3 minutes each, Ogg and MP3. Tables go to standard output,
figures to bench/results.json, and a plot per part beside it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from embed.cores import available_cores
from tests.bench.fixtures import full_size, long_songs, sample
from tests.bench.measure import Part, machine
from tests.bench.results import save, table

CACHE = Path(".cache/bench")


def encoder(_music: Path | None, scratch: Path) -> Iterator[Part]:
    from tests.bench import encoder

    for models in (full_size(CACHE), sample(CACHE)):
        yield encoder.bench(models, available_cores(), scratch)


def pipeline(music: Path | None, scratch: Path) -> Iterator[Part]:
    from tests.bench import pipeline

    for models in (full_size(CACHE), sample(CACHE)):
        yield pipeline.bench(music or long_songs(CACHE), models, scratch)


def growth(music: Path | None, scratch: Path) -> Iterator[Part]:
    from tests.bench import pipeline

    songs = music or long_songs(CACHE)
    yield pipeline.growth(songs, full_size(CACHE), sample(CACHE), scratch, available_cores())


def service(_music: Path | None, scratch: Path) -> Iterator[Part]:
    from tests.bench import service

    yield service.bench(scratch)


def search(_music: Path | None, scratch: Path) -> Iterator[Part]:
    from tests.bench import service

    yield service.growth(scratch)


def scale(_music: Path | None, scratch: Path) -> Iterator[Part]:
    from tests.bench import scale

    yield scale.bench(scale.SMALL, scratch)


def sound(music: Path | None, scratch: Path) -> Iterator[Part]:
    from tests.bench import sound

    clip = min((music or long_songs(CACHE)).rglob("*.ogg"))
    for precision, bundle in full_size(CACHE).bundles.items():
        yield sound.bench(bundle, clip, precision, scratch)


def serverless(_music: Path | None, scratch: Path) -> Iterator[Part]:
    from tests.bench import serverless, service

    yield serverless.bench(service.Catalogue(scratch, service.SMALL).bundle, service.SMALL)


PARTS: dict[str, Callable[[Path | None, Path], Iterator[Part]]] = {
    "encoder": encoder,
    "pipeline": pipeline,
    "growth": growth,
    "service": service,
    "search": search,
    "scale": scale,
    "sound": sound,
    "lambda": serverless,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, help="a folder of songs [default: made here]")
    parser.add_argument("--only", default=",".join(PARTS), help=f"parts, of {','.join(PARTS)}")
    parser.add_argument("--to", type=Path, default=Path("bench"), help="for figures and plots")
    args = parser.parse_args()
    chosen = args.only.split(",")
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"--only {','.join(unknown)}: expected some of {','.join(PARTS)}")
    head = f"{date.today()}, {machine()}"
    print(head, flush=True)
    parts: list[Part] = []
    for name in chosen:
        with tempfile.TemporaryDirectory() as scratch:
            for part in PARTS[name](args.music, Path(scratch)):
                print(table(part), flush=True)
                parts.append(part)
                save(head, parts, args.to)


if __name__ == "__main__":
    main()
