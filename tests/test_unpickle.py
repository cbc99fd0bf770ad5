"""Pickles that run code, forge arrays or are damaged: refused, and nothing worse."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embed.errors import BundleError
from embed.importer import import_catalogue
from embed.unpickle import load_pickle

NAMES = np.array(["A - B", "C - D"], dtype=object)


class _Touch:
    """A pickle that runs a command on load."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", ["pickle", "inside a list", "object array"])
def test_a_pickle_that_would_run_something_is_refused_and_does_not(tmp_path, protocol, kind):
    victim = tmp_path / "victim"
    bomb: object = _Touch(victim)
    file = tmp_path / "x.pkl"
    if kind == "object array":
        array = np.array([bomb], dtype=object)
        npy = io.BytesIO()
        np.lib.format.write_array(npy, array, allow_pickle=True)
        header = npy.getvalue()[: npy.getvalue().index(b"\n") + 1]
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("names.npy", header + pickle.dumps(array, protocol))
    else:
        value = bomb if kind == "pickle" else {"names": [[bomb]], "embeddings": 0}
        file.write_bytes(pickle.dumps(value, protocol))
    with pytest.raises(BundleError, match=r"it holds (posix|nt)\.system; only NumPy arrays"):
        import_catalogue(file, tmp_path / "b")
    assert not victim.exists()
    pickle.loads(pickle.dumps(bomb))
    assert victim.exists(), "the bomb must be one, or nothing is shown"


@pytest.mark.parametrize(
    "name",
    [
        *("builtins eval", "builtins getattr", "importlib import_module", "operator attrgetter"),
        *("numpy load", "numpy ndarray.tofile", "numpy.lib format", "embed.spec FrontEnd"),
    ],
)
def test_nothing_else_is_admitted(name):
    module, function = name.split()
    program = b"\x80\x04" + b"".join(
        b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, function)
    )
    with pytest.raises(pickle.UnpicklingError, match=f"it holds {module}.{function};"):
        load_pickle(io.BytesIO(program + b"\x93."))


class _Object8:
    """The dtype of objects, whose pickled flags deny that it holds any."""

    def __reduce__(self):
        return np.dtype, ("O8", False, True), (3, "|", None, None, None, -1, -1, 0)


class _Record:
    def __reduce__(self):
        return np.dtype, ("V8", False, True), (3, "|", None, ("a",), {"a": 0}, 8, 1, 0)


@pytest.mark.parametrize("dtype", [_Object8(), _Record(), np.dtype("M8[D]"), np.dtype("c16")])
def test_bytes_are_never_taken_for_pointers(dtype):
    # NumPy's own unpickling takes these for an array of two objects at address 0x4141414141414141.
    class Forged:
        def __reduce__(self):
            reconstruct = np.zeros(0).__reduce__()[0]
            return reconstruct, (np.ndarray, (0,), b"b"), (1, (2,), dtype, False, b"A" * 16)

    with pytest.raises(pickle.UnpicklingError, match="it holds an array of"):
        load_pickle(io.BytesIO(pickle.dumps(Forged())))


WHOLE = pickle.dumps({"names": NAMES, "embeddings": np.ones((2, 512))}, 4)


@settings(max_examples=300, suppress_health_check=list(HealthCheck))
@given(data=st.data(), is_archive=st.booleans())
def test_a_damaged_file_is_refused_and_nothing_worse(tmp_path, data, is_archive):
    whole = WHOLE
    if is_archive:
        stream = io.BytesIO()
        np.savez(stream, names=NAMES, embeddings=np.ones((2, 512)))
        whole = stream.getvalue()
    # Damage is likelier in the structure than in 16 kB of numbers.
    ends = [*range(min(len(whole), 500)), *range(len(whole) - 300, len(whole))]
    damaged = bytearray(whole)
    for at in data.draw(st.lists(st.sampled_from(ends), min_size=1, max_size=6)):
        damaged[at] = data.draw(st.integers(0, 255))
    file = tmp_path / "x.pkl"
    file.write_bytes(damaged[: data.draw(st.sampled_from([len(whole), len(whole) // 2]))])
    try:
        import_catalogue(file, tmp_path / "b")
    except BundleError as error:
        assert "\n" not in str(error)
