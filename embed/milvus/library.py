"""The songs of one bundle, whose embeddings are in Milvus: it needs no ``vectors.npy``."""

from __future__ import annotations

from pathlib import Path

from embed.bundle import Bundle, load_bundle
from embed.catalogue import Catalogue
from embed.errors import BundleError
from embed.manifest import CATALOGUE_FILE, VECTORS_FILE, Manifest
from embed.milvus.client import Milvus
from embed.milvus.index import MilvusIndex

MAY_LACK = (VECTORS_FILE,)
"""Files that need not be there: 2 kB of every song's 2.3 are in Milvus already."""


def open_published(root: Path, milvus: Milvus) -> tuple[Manifest, Catalogue, MilvusIndex]:
    """The songs of the bundle at ``root``, and the index of its version in ``milvus``, which is
    not asked anything yet.

    Raises BundleError when the bundle is absent, torn, without songs, or contradicts itself.
    """

    def load(bundle: Bundle) -> tuple[Manifest, Catalogue, MilvusIndex]:
        manifest = bundle.manifest
        if manifest.spec is None:
            raise BundleError(f"{root}: holds no songs, add some with python -m embed")
        catalogue = Catalogue(bundle.file(CATALOGUE_FILE))
        expected = manifest.songs, manifest.spec.digest
        if (found := (len(catalogue), catalogue.spec_digest)) != expected:
            catalogue.close()
            raise BundleError(
                f"{root}: {found[0]} songs of spec {found[1]} in {CATALOGUE_FILE}, "
                f"the manifest says {expected[0]} of {expected[1]}"
            )
        return manifest, catalogue, MilvusIndex(milvus, manifest.version, manifest.songs)

    return load_bundle(root, load, MAY_LACK)
