"""What an engine makes of the songs that are to do → the record of the run."""

from __future__ import annotations

import time
from collections.abc import Callable

from embed.batch import Outcome
from embed.engine import Engine, Job
from embed.known import KnownEmbeddings
from embed.listing import Listing
from embed.progress import progress
from embed.report import Failure, Report
from embed.state import FileFacts


def embed_todo(
    listing: Listing,
    known: KnownEmbeddings,
    engine: Engine,
    job: Job,
    report: Report,
    saved: Callable[[], None] = lambda: None,
) -> None:
    """Embed the songs of ``listing`` that are not done, and record each as it comes.

    ``saved`` is called after each; those that fail are in the ``report``, and the counts.
    """
    report.found = len(listing)
    todo = report.found - listing.done
    if todo:
        with progress(todo) as shown:
            for outcome in engine(listing.todo(), job):
                if outcome.reason is not None:
                    report.failures.append(Failure(outcome.song.key, outcome.reason))
                else:
                    _record(outcome, listing, known, report)
                    saved()
                shown.advance()
        report.failures.sort(key=lambda failure: failure.key)
    report.in_bundle = listing.done


def _record(outcome: Outcome, listing: Listing, known: KnownEmbeddings, report: Report) -> None:
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
    listing.record(outcome.song, facts, embedding)
    if embedding is not None:
        report.embedded += 1
        report.seconds["encode"] += outcome.encode_s
    for stage, seconds in prepared.seconds.items():
        report.seconds[stage] += seconds
    report.seconds["write"] += time.perf_counter() - started
