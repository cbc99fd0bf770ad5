"""Which index a bundle is searched by: the one that it brings, else the exact one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from embed.approximate import ApproximateIndex
from embed.bundle import Bundle
from embed.errors import BundleError
from embed.index import ExactIndex
from embed.indexfile import has_index, read_index_files
from embed.manifest import VECTORS_FILE
from embed.vectorfile import VectorFile

BundleIndex = ExactIndex | ApproximateIndex


def open_index(bundle: Bundle) -> BundleIndex:
    """The index of an open bundle's songs.

    The exact one reads every embedding; beside an approximate one there are gigabytes of them,
    so that they are looked at as they are read, and ``python -m embed verify`` hashes them.
    Raises BundleError when the files are damaged, or the index belongs to other vectors.
    """
    if has_index(bundle):
        return _approximate(bundle)
    with ThreadPoolExecutor(1) as pool:
        check = pool.submit(bundle.file, VECTORS_FILE)
        index = ExactIndex(bundle.file(VECTORS_FILE, verify=False))
        check.result()
    return index


def _approximate(bundle: Bundle) -> ApproximateIndex:
    files = read_index_files(bundle)
    vectors = VectorFile(bundle.file(VECTORS_FILE, verify=False))
    try:
        return ApproximateIndex(vectors, files)
    except BundleError:
        vectors.close()
        raise
