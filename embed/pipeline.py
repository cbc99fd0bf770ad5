"""A folder of music → a bundle: what is new is embedded, what is known is kept.

Each finished song is recorded at once, so that a killed run loses none; the bundle changes
in one step, at the end.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from embed.approximate import APPROXIMATE_FROM
from embed.assemble import stage_songs
from embed.batch import Outcome
from embed.bucket import listed
from embed.bundle import Bundle, open_bundle
from embed.catalogue import Song, song_id
from embed.clips import PREVIEWS_FILE
from embed.cores import available_cores
from embed.derived import lacks_derived, stage_derived, stage_missing
from embed.engine import Engine, Job, local
from embed.known import KnownEmbeddings
from embed.manifest import Manifest
from embed.model import SAMPLE, Model, choose_model
from embed.prepare import SONG_MEMORY_MIB, SONG_TIMEOUT_S, Work
from embed.previews import Limits, Previews
from embed.progress import progress
from embed.report import Failure, Report
from embed.scan import SongFile
from embed.spec import DEFAULT_WINDOWS, Spec, Windows
from embed.state import STATE_FILE, FileFacts, State
from embed.store.place import Place
from embed.tags import Credit
from embed.writer import BundleWriter

Done = dict[SongFile, FileFacts]


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
    songs: list[SongFile],
    to: Path,
    options: Options,
    tell: Callable[[str], None],
    saved: Callable[[], None],
) -> Report:
    report = Report(found=len(songs))
    with BundleWriter(to) as writer, State(to / STATE_FILE) as state:
        model = choose_model(options.model, to, writer.previous, options.cache)
        spec = _spec(model, options.windows, writer.previous)
        tell(_intent(model, spec, writer.previous))
        bundle = None if writer.previous is None else open_bundle(to)
        known = KnownEmbeddings(bundle, state, spec.digest)
        done = _already_done(songs, state, known)
        todo = [song for song in songs if song not in done]
        if todo:
            outcomes = options.engine(todo, _job(model, spec, options, known))
            _embed(outcomes, len(todo), known, done, report, saved)
        report.in_bundle = len(done)
        with _previews(bundle, to, options, done, report) as previews:
            report.changed = bool(done) and _write(
                writer, model, spec, done, known, report, previews, options.approximate_from
            )
        if done:
            state.committed({song.key for song in songs})
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


def _already_done(songs: list[SongFile], state: State, known: KnownEmbeddings) -> Done:
    """Songs whose file is as it was and whose embedding is at hand."""
    facts = state.facts()
    done: Done = {}
    for song in songs:
        found = facts.get((song.key, song.bytes, song.mtime_ns))
        if found is not None and found.sha256 in known:
            done[song] = found
    return done


def _job(model: Model, spec: Spec, options: Options, known: KnownEmbeddings) -> Job:
    work = Work(
        front_end=model.info.front_end,
        windows=spec.windows,
        known=frozenset(known.digests()),
        timeout_s=options.song_timeout_s,
        memory_mib=options.song_memory_mib,
    )
    return Job(model, spec, work, options.workers)


def _embed(
    outcomes: Iterable[Outcome],
    songs: int,
    known: KnownEmbeddings,
    done: Done,
    report: Report,
    saved: Callable[[], None],
) -> None:
    with progress(songs) as shown:
        for outcome in outcomes:
            if outcome.reason is not None:
                report.failures.append(Failure(outcome.song.key, outcome.reason))
            else:
                done[outcome.song] = _record(outcome, known, report)
                saved()
            shown.advance()
    report.failures.sort(key=lambda failure: failure.key)


def _record(outcome: Outcome, known: KnownEmbeddings, report: Report) -> FileFacts:
    prepared = outcome.prepared
    assert prepared is not None
    started = time.perf_counter()
    facts = FileFacts(
        sha256=prepared.sha256,
        artist=prepared.credit.artist,
        title=prepared.credit.title,
        duration_s=known.duration_s(prepared.sha256)
        if prepared.duration_s is None
        else prepared.duration_s,
    )
    # Another machine may have embedded the same content, to the same numbers.
    embedding = None if prepared.sha256 in known else outcome.embedding
    known.record(outcome.song, facts, embedding)
    if embedding is not None:
        report.embedded += 1
        report.seconds["encode"] += outcome.encode_s
    for stage, seconds in prepared.seconds.items():
        report.seconds[stage] += seconds
    report.seconds["write"] += time.perf_counter() - started
    return facts


def _previews(
    bundle: Bundle | None, to: Path, options: Options, done: Done, report: Report
) -> AbstractContextManager[Previews | None]:
    """The clips of the songs that are ``done``, if clips are wanted, or there already."""
    has_some = bundle is not None and PREVIEWS_FILE in bundle.manifest.files
    if not done or not (has_some if options.previews is None else options.previews):
        return nullcontext()
    workers = options.workers or available_cores()
    limits = Limits(workers, options.song_timeout_s, options.song_memory_mib)
    previews = Previews(bundle, to)
    report.without_preview = previews.make({done[song].sha256: song for song in done}, limits)
    return previews


def _write(
    writer: BundleWriter,
    model: Model,
    spec: Spec,
    done: Mapping[SongFile, FileFacts],
    known: KnownEmbeddings,
    report: Report,
    previews: Previews | None,
    approximate_from: int,
) -> bool:
    """Write songs, what is made of them, and clips, unless the bundle already holds just these."""
    started = time.perf_counter()
    songs = [_song(file, facts) for file, facts in done.items()]
    report.removed = len(known.paths() - {song.path for song in songs})
    model_stays = writer.previous is not None and writer.previous.model == model.info
    songs_stay = model_stays and known.holds_exactly(songs)
    digests = {song.sha256 for song in songs}
    clips_stay = previews is None or not previews.differ(digests)
    if songs_stay and clips_stay and not lacks_derived(writer, approximate_from):
        return False
    if not songs_stay:
        stage_songs(writer, songs, spec, lambda song: known.vector(song.sha256))
        stage_derived(writer, approximate_from)
    else:
        stage_missing(writer, approximate_from)
    if previews is not None and not (songs_stay and clips_stay):
        previews.stage(writer, digests)
    if not model_stays:
        for name, path in model.files.items():
            shutil.copyfile(path, writer.stage(name))
    writer.commit(model=model.info, spec=spec, songs=len(songs))
    report.seconds["write"] += time.perf_counter() - started
    return True


def _song(file: SongFile, facts: FileFacts) -> Song:
    return Song(
        id=song_id(file.key),
        name=Credit(facts.artist, facts.title).name,
        artist=facts.artist,
        title=facts.title,
        path=file.key,
        duration_s=facts.duration_s,
        sha256=facts.sha256,
    )
