"""A folder of music → a bundle: what is new is embedded, what is known is kept.

Each finished song is recorded at once, so that a killed run loses none; the bundle changes
in one step, at the end.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from embed.approximate import APPROXIMATE_FROM
from embed.assemble import stage_songs
from embed.bucket import listed
from embed.bundle import Bundle, open_bundle
from embed.clips import PREVIEWS_FILE
from embed.cores import available_cores
from embed.derived import lacks_derived, stage_derived, stage_missing
from embed.engine import Engine, Job, local
from embed.known import KnownEmbeddings
from embed.listing import Listing
from embed.manifest import CATALOGUE_FILE, Manifest
from embed.model import SAMPLE, Model, choose_model
from embed.outcomes import embed_todo
from embed.prepare import SONG_MEMORY_MIB, SONG_TIMEOUT_S, Work
from embed.previews import Limits, Previews
from embed.report import Report
from embed.scan import SongFile
from embed.spec import DEFAULT_WINDOWS, Spec, Windows
from embed.state import STATE_FILE, State
from embed.store.place import Place
from embed.writer import BundleWriter


@dataclass(frozen=True, slots=True)
class Options:
    """How to embed; None means what the bundle already has, else the default."""

    model: str | None = None
    windows: Windows | None = None
    workers: int | None = None
    song_timeout_s: float = SONG_TIMEOUT_S
    song_memory_mib: int = SONG_MEMORY_MIB
    cache: Path | None = None
    previews: bool | None = None
    approximate_from: int = APPROXIMATE_FROM
    engine: Engine = local


def embed_folder(
    music: Place,
    to: Path,
    options: Options,
    tell: Callable[[str], None] = print,
    saved: Callable[[], None] = lambda: None,
) -> Report:
    """Bring the bundle ``to`` in step with the folder ``music``, or that part of a bucket.

    New and changed songs are embedded, removed ones leave, unchanged ones cost nothing.
    ``tell`` gets lines for people, ``saved`` is called after each song. Songs that fail are in
    the report; when none is left the bundle stays as it was (``report.in_bundle`` is 0).

    Raises AudioError when there are no songs, StoreError when a bucket cannot be listed,
    BundleError or ModelError when the bundle or the model cannot be used.
    """
    with listed(music) as songs:
        return _embed_songs(songs, to, options, tell, saved)


def _embed_songs(
    songs: Iterable[SongFile],
    to: Path,
    options: Options,
    tell: Callable[[str], None],
    saved: Callable[[], None],
) -> Report:
    report = Report()
    with BundleWriter(to) as writer, State(to / STATE_FILE) as state:
        model = choose_model(options.model, to, writer.previous, options.cache)
        spec = _spec(model, options.windows, writer.previous)
        tell(_intent(model, spec, writer.previous))
        bundle = None if writer.previous is None else open_bundle(to)
        with closing(KnownEmbeddings.of(bundle, state.path, spec.digest)) as known:
            listing = Listing(songs, state, known, _catalogue(bundle, known))
            job = _job(model, spec, options, known)
            embed_todo(listing, known, options.engine, job, report, saved)
            with _previews(bundle, to, options, listing, report) as previews:
                report.changed = bool(report.in_bundle) and _write(
                    writer, model, spec, listing, known, report, previews, options.approximate_from
                )
        if report.in_bundle:
            listing.committed()
    report.wall_s = time.perf_counter() - report.started
    return report


def _spec(model: Model, windows: Windows | None, previous: Manifest | None) -> Spec:
    if windows is None:
        kept = None if previous is None else previous.spec
        windows = DEFAULT_WINDOWS if kept is None else kept.windows
    return Spec(model.info.sha256, model.info.front_end, windows)


def _intent(model: Model, spec: Spec, previous: Manifest | None) -> str:
    line = f"model {model.info.id} ({model.info.precision}), windows: {spec.windows}"
    if model.info.kind == SAMPLE:
        line += "; a small stand-in, not CLAP"
    if previous is not None and previous.spec is not None and previous.spec != spec:
        line += f"; the model or windows changed, so all {previous.songs} songs are embedded anew"
    return line


def _job(model: Model, spec: Spec, options: Options, known: KnownEmbeddings) -> Job:
    work = Work(
        front_end=model.info.front_end,
        windows=spec.windows,
        known=known,
        timeout_s=options.song_timeout_s,
        memory_mib=options.song_memory_mib,
    )
    return Job(model, spec, work, options.workers)


def _catalogue(bundle: Bundle | None, known: KnownEmbeddings) -> Path | None:
    """The songs of the bundle as it is, whatever their spec."""
    if bundle is None or bundle.manifest.spec is None:
        return None
    return known.catalogue or bundle.file(CATALOGUE_FILE)


def _previews(
    bundle: Bundle | None, to: Path, options: Options, listing: Listing, report: Report
) -> AbstractContextManager[Previews | None]:
    """The clips of the songs that are done, if clips are wanted, or there already."""
    has_some = bundle is not None and PREVIEWS_FILE in bundle.manifest.files
    wanted = has_some if options.previews is None else options.previews
    if not report.in_bundle or not wanted:
        return nullcontext()
    workers = options.workers or available_cores()
    limits = Limits(workers, options.song_timeout_s, options.song_memory_mib)
    previews = Previews(bundle, to)
    report.without_preview = previews.make(listing.contents, limits)
    return previews


def _write(
    writer: BundleWriter,
    model: Model,
    spec: Spec,
    listing: Listing,
    known: KnownEmbeddings,
    report: Report,
    previews: Previews | None,
    approximate_from: int,
) -> bool:
    """Write songs, what is made of them, and clips, unless the bundle already holds just these."""
    started = time.perf_counter()
    report.removed = listing.removed()
    model_stays = writer.previous is not None and writer.previous.model == model.info
    songs_stay = model_stays and listing.is_in_bundle()
    clips_stay = previews is None or not previews.differ(listing.digests())
    if songs_stay and clips_stay and not lacks_derived(writer, approximate_from):
        return False
    if not songs_stay:
        stage_songs(writer, listing.songs(), spec, lambda song: known.vector(song.sha256))
        stage_derived(writer, approximate_from)
    else:
        stage_missing(writer, approximate_from)
    if previews is not None and not (songs_stay and clips_stay):
        previews.stage(writer, listing.digests())
    if not model_stays:
        for name, path in model.files.items():
            shutil.copyfile(path, writer.stage(name))
    writer.commit(model=model.info, spec=spec, songs=report.in_bundle)
    report.seconds["write"] += time.perf_counter() - started
    return True
