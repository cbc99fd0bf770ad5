"""Ray itself: a connection, and Ray Data with a pool of actors."""

from __future__ import annotations

import logging
import socket
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Final

import ray
import ray.data
from ray._common.usage import usage_lib
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError
from ray.util.annotations import RayDeprecationWarning

from embed.cluster.actor import Done, Embedder, Task, chunk_row, done_of
from embed.cluster.chunks import Chunk
from embed.cores import available_cores
from embed.errors import VibeError

_log: Final = logging.getLogger(__name__)

_MOST_CPUS: Final = 8
"""Of one actor: a larger machine gets several, so that each stays fed by its one event loop."""

_LOOK_S: Final = 10.0

_IN_FLIGHT: Final = 2
"""Chunks that an actor has: one in work, and the next, so that it never waits for the driver."""

_MOST_DEATHS: Final = 16
"""Actors lost before they began, one after the other, before all begin again; Ray's 3 are few
where machines come and go."""


@contextmanager
def connected(address: str | None, workers: int | None) -> Iterator[int]:
    """A connection to the cluster at ``address``, or a Ray of our own on loopback.

    Gives the cores of one actor: ``workers``, else those of the smallest machine. Raises
    VibeError when there is no cluster.
    """
    usage_lib.set_usage_stats_enabled_via_env_var(False)  # nothing is told to anybody
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    with ExitStack() as at_end:
        if address is not None:
            _look_for(address)
        else:
            cpus = workers or available_cores()
            folder = at_end.enter_context(tempfile.TemporaryDirectory(prefix="vibe-ray-"))
            options |= {"num_cpus": cpus, "include_dashboard": False, "_temp_dir": folder}
            options |= {"_node_ip_address": "127.0.0.1"}
        try:
            ray.init(address=address or "local", **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            line = " ".join(str(error).split())
            raise VibeError(f"Ray, {address or 'on this machine'}: {line}") from error
        at_end.callback(ray.shutdown)
        yield workers or min(max(min(_machines(), default=1), 1), _MOST_CPUS)


def _look_for(address: str) -> None:
    """Raise VibeError at once when nobody listens there: Ray would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdecimal()):
        return  # "auto", say
    try:
        socket.create_connection((host.rpartition("/")[2], int(port)), _LOOK_S).close()
    except (OSError, OverflowError) as error:
        raise VibeError(f"Ray, {address}: {getattr(error, 'strerror', None) or error}") from error


def run_chunks(todo: Sequence[Chunk], task: Task) -> Iterator[Done]:
    """What became of each chunk, as they finish; of those on a lost machine, nothing.

    Ray would keep such a chunk for the lost actor's successor, which may never find a place;
    so it shall not, and whoever asked gives the chunk out again.
    """
    model = ray.put(task.model())
    task = replace(task, model=_Fetched(model))
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1
    context.max_consecutive_actor_init_deaths = _MOST_DEATHS
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    actors = max(sum(cpus // task.workers for cpus in _machines()), 1)
    rows = ray.data.from_items([chunk_row(chunk) for chunk in todo], override_num_blocks=len(todo))
    with warnings.catch_warnings():
        # Ray 2.64 wants max_restarts elsewhere, 2.60 knows no other place.
        warnings.simplefilter("ignore", RayDeprecationWarning)
        answers = rows.map(
            Embedder,
            fn_constructor_args=(task,),
            num_cpus=task.workers,
            compute=ray.data.ActorPoolStrategy(
                min_size=1, initial_size=actors, max_tasks_in_flight_per_actor=_IN_FLIGHT
            ),
            max_restarts=0,
            max_task_retries=0,
        )
    try:
        for row in answers.iter_rows():
            yield done_of(row)
    except (ActorDiedError, ActorUnavailableError) as error:
        # Even before they could begin: what is left is given out again. Lost machines, or
        # machines without our code; who runs it must see which.
        _log.warning("Ray: %s", _ends(str(error)))
        return
    except RayError as error:
        raise VibeError(f"Ray: {' '.join(str(error).split())[:500]}") from error


def _ends(message: str) -> str:
    """The first and the last line, between which is the inside of Ray: what, and why."""
    lines = [line.strip() for line in message.splitlines() if line.strip()] or ["no reason given"]
    return " … ".join(dict.fromkeys((lines[0][:300], lines[-1][:300])))


class _Fetched:
    """The model's bytes, from wherever in the cluster they are."""

    def __init__(self, model: ray.ObjectRef[bytes]) -> None:
        self._model = [model]  # in a list, or Ray fetches it before anybody asks

    def __call__(self) -> bytes:
        found: bytes = ray.get(self._model[0])
        return found


def _machines() -> list[int]:
    """Cores of each machine that takes work."""
    cores = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
    return [int(count) for count in cores if count >= 1]
