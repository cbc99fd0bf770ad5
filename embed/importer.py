"""An existing catalogue of names and embeddings (``.npz``, ``.pkl``) → a bundle."""

from __future__ import annotations

import hashlib
import pickle
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from embed.assemble import stage_songs
from embed.catalogue import Song, song_id
from embed.derived import stage_derived
from embed.errors import BundleError
from embed.spec import EMBEDDING_SIZE, Spec
from embed.tags import clean
from embed.unpickle import load_pickle
from embed.writer import BundleWriter

_KEYS: Final = ("names", "embeddings")

# A damaged pickle or archive fails in any of these ways.
_DAMAGED: Final = (
    *(ValueError, TypeError, LookupError, ArithmeticError, AttributeError, ImportError),
    *(EOFError, MemoryError, RuntimeError, SyntaxError, tokenize.TokenError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


def import_catalogue(file: Path, to: Path) -> int:
    """Make the bundle ``to`` from ``file``; returns the number of songs.

    The file holds ``names``, N strings ``Artist - Title``, and ``embeddings``, numbers
    ``(N, 512)``, which are made unit length. How they were made is not known, so the bundle
    has no model, and its spec is the file's own: nothing can be added to it but by another
    import. Raises BundleError that says what is wrong, with nothing written.
    """
    names, embeddings = _checked(_read(file), file)
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    unit = unit.astype(np.float32)
    songs = [_song(i, name) for i, name in enumerate(names)]
    by_id = {song.id: i for i, song in enumerate(songs)}
    digest = hashlib.sha256(unit.tobytes()).hexdigest()
    spec = Spec(digest, front_end=None, windows="middle", pooling="unknown", resampler="unknown")
    with BundleWriter(to) as writer:
        previous = writer.previous
        if previous is not None and previous.model is not None:
            raise BundleError(
                f"{to}: holds the model {previous.model.id}; imported embeddings cannot be "
                "compared with what it makes: choose another --to"
            )
        stage_songs(writer, songs, spec, lambda song: unit[by_id[song.id]])
        stage_derived(writer)
        writer.commit(model=None, spec=spec, songs=len(songs))
    return len(songs)


def _song(number: int, name: str) -> Song:
    artist, dash, title = name.partition(" - ")
    return Song(
        # Two songs of one name stay two, hence the number; no file stands behind them.
        id=song_id(f"import/{number}/{name}"),
        name=name,
        artist=artist if dash else None,
        title=title if dash else name,
        path=f"import/{number}",
        duration_s=0.0,
        sha256="",  # no file stands behind it
    )


def _checked(value: Mapping[str, Any], file: Path) -> tuple[list[str], NDArray[np.float64]]:
    missing = [key for key in _KEYS if key not in value]
    if missing:
        keys = sorted(map(str, value))
        raise BundleError(f"{file}: missing {' and '.join(missing)} (it has {keys})")
    names = value["names"]
    if not (isinstance(names, list | tuple) or (isinstance(names, np.ndarray) and names.ndim == 1)):
        raise BundleError(f"{file}: names is {names!r:.80}, expected a list of texts")
    raw_names: Sequence[object] = list(names)
    for i, name in enumerate(raw_names):
        if not isinstance(name, str) or not clean(name):
            raise BundleError(f"{file}: names[{i}] is {name!r:.80}, expected a text")
    try:
        embeddings = np.asarray(value["embeddings"], dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BundleError(f"{file}: embeddings are no matrix of numbers: {error}") from error
    expected = (len(raw_names), EMBEDDING_SIZE)
    if embeddings.shape != expected or not raw_names:
        raise BundleError(
            f"{file}: embeddings have shape {embeddings.shape} for {len(raw_names)} names, "
            f"expected (N, {EMBEDDING_SIZE}) with N names, N above 0"
        )
    with np.errstate(over="ignore"):  # an infinite length is named below
        lengths = np.linalg.norm(embeddings, axis=1)
    bad = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(bad):
        raise BundleError(
            f"{file}: embeddings[{bad[0]}] ({raw_names[bad[0]]!r}) has length {lengths[bad[0]]}, "
            "expected a finite one above 0"
        )
    return [clean(str(name)) for name in raw_names], embeddings


def _read(file: Path) -> Mapping[str, Any]:
    try:
        if zipfile.is_zipfile(file):
            return _read_npz(file)
        with file.open("rb") as stream:
            value = load_pickle(stream)
    except OSError as error:
        raise BundleError(f"{file}: {error.strerror or error}") from error
    except pickle.UnpicklingError as error:
        raise BundleError(f"{file}: not read: {_line(error)}") from error
    except _DAMAGED as error:
        raise BundleError(
            f"{file}: neither a NumPy archive nor a pickle ({_line(error)})"
        ) from error
    if not isinstance(value, Mapping):
        raise BundleError(f"{file}: holds a {type(value).__name__}, expected a dictionary")
    return value


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _read_npz(file: Path) -> Mapping[str, Any]:
    with zipfile.ZipFile(file) as archive:
        members = [name for name in archive.namelist() if name.endswith(".npy")]
        keys = [name.removesuffix(".npy") for name in members]
        return {key: _read_npy(archive, f"{key}.npy") if key in _KEYS else None for key in keys}


def _read_npy(archive: zipfile.ZipFile, name: str) -> object:
    """One array; one of Python objects goes through the same narrow unpickler."""
    with archive.open(name) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        _, _, dtype = read_header(stream)
        if dtype.hasobject:
            return load_pickle(stream)
    with archive.open(name) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)
