"""Reading pickles from strangers: NumPy arrays and plain containers, nothing that runs.

A list of admitted names is not enough. NumPy's own classes trust a pickle's state: an object
array whose dtype says that it holds no objects takes any bytes for pointers. So its dtype and
array are replaced by stand-ins that check what they are told.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

_KINDS: Final = "biufSUO"
"""Booleans, numbers, texts, objects: no records, dates or subarrays."""


def load_pickle(stream: IO[bytes]) -> object:
    """The pickled value. Raises UnpicklingError that names what is not admitted, or whatever
    a damaged pickle happens to cause."""
    return _Unpickler(stream).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"it holds {module}.{name}; only NumPy arrays and plain containers are admitted"
            ) from None


class _Dtype:
    """Stands in for ``numpy.dtype``: a plain one, by its name and byte order alone."""

    def __init__(self, name: str, *_: object) -> None:
        self.dtype = np.dtype(str(name))
        if self.dtype.kind not in _KINDS or self.dtype.shape or self.dtype.names:
            raise pickle.UnpicklingError(f"it holds an array of {name!r}, which is not admitted")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        # (version, byte order, subarray, names, fields, size, alignment, flags, …)
        if any(part is not None for part in state[2:5]):
            raise pickle.UnpicklingError("it holds an array of records, which is not admitted")
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray[Any, Any]):
    """Stands in for ``numpy.ndarray``: empty until a checked state fills it."""

    def __new__(cls) -> _Array:
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        version, shape, stand_in, is_fortran, data = state
        dtype = _dtype(stand_in)
        if dtype.hasobject and not (isinstance(data, list) and len(data) == math.prod(shape)):
            raise pickle.UnpicklingError(f"it holds an array of {dtype} without its values")
        super().__setstate__((version, shape, dtype, is_fortran, data))


def _dtype(stand_in: object) -> np.dtype[Any]:
    if not isinstance(stand_in, _Dtype):
        raise pickle.UnpicklingError(f"it holds an array of {type(stand_in).__name__}")
    return stand_in.dtype


def _reconstruct(*_: object) -> _Array:
    """``numpy._core.multiarray._reconstruct``: how every protocol begins an array."""
    return _Array()


def _frombuffer(data: bytes, stand_in: object, shape: Any, order: Any) -> NDArray[Any]:  # noqa: ANN401
    """``numpy._core.numeric._frombuffer``: how protocol 5 writes an array."""
    return np.frombuffer(data, _dtype(stand_in)).reshape(shape, order=order)


def _scalar(stand_in: object, data: bytes) -> object:
    """``numpy._core.multiarray.scalar``: one number or text of NumPy's."""
    return np.frombuffer(data, _dtype(stand_in), count=1)[0]


def _encode(text: str, encoding: str) -> bytes:
    """``_codecs.encode``: how protocol 2 and older write an array's bytes."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes as {encoding!r}, expected 'latin1'")
    return text.encode("latin1")


_ADMITTED: Final[Mapping[tuple[str, str], Callable[..., object]]] = {
    ("numpy", "dtype"): _Dtype,
    ("numpy", "ndarray"): _Array,
    # numpy.core is NumPy 1's name for numpy._core.
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _frombuffer,
    ("numpy._core.numeric", "_frombuffer"): _frombuffer,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
    # Protocol 2 and older name the module as Python 2 did.
    **{
        (module, kind.__name__): kind
        for module in ("builtins", "__builtin__")
        for kind in (list, dict, tuple, set, frozenset, bytes, bytearray)
    },
}
