"""Who does the work of a run: this machine, or those of a cluster (``embed/cluster``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from embed.batch import Batch, Outcome
from embed.cores import available_cores
from embed.crew import Crew
from embed.encoder import Encoder
from embed.model import Model
from embed.prepare import Work
from embed.scan import SongFile
from embed.spec import Spec


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be done with every song: by which model, within which bounds.

    ``workers`` is how many songs are decoded, and how many encoded, at a time by one process;
    None for as many as it has cores.
    """

    model: Model
    spec: Spec
    work: Work
    workers: int | None


Engine = Callable[[Iterable[SongFile], Job], Iterable[Outcome]]
"""Gives each song's Outcome, once, in whatever order they finish. It asks for songs, which come
by key, as it needs them: there may be more than fit into memory."""


def local(songs: Iterable[SongFile], job: Job) -> Iterator[Outcome]:
    """The engine that is this machine."""
    encoder = Encoder(job.model.path, job.model.info.front_end)
    with Crew(job.work, encoder, job.workers or available_cores()) as crew:
        yield from Batch(songs, crew)
