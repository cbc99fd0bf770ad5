"""Milvus, as the API sees it: opened at the start, told of by /health and /readyz."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from embed.catalogue import Catalogue
from embed.errors import EngineError, UnfitEngineError
from embed.manifest import Manifest
from embed.milvus.client import Milvus
from embed.milvus.index import MilvusIndex
from embed.milvus.library import open_published
from handler.service import Answer
from handler.settings import Settings

_log: Final = logging.getLogger("vibe.engine")


class MilvusEngine:
    """What /health and /readyz say of ``index``."""

    def __init__(self, index: MilvusIndex, address: str) -> None:
        self._index = index
        self._address = address

    def check(self) -> None:
        """Raises EngineError when it cannot be searched."""
        self._index.check()

    def health(self) -> Answer:
        """Without asking it."""
        circuit = self._index.circuit
        return {
            "kind": "milvus",
            "address": self._address,
            "collection": self._index.collection,
            "circuit": circuit.state,
            "error": circuit.reason,
        }


def open_engine(
    root: Path, settings: Settings
) -> tuple[Manifest, Catalogue, MilvusIndex, MilvusEngine]:
    """The songs of the bundle at ``root``, their index in the Milvus that the settings name.

    A Milvus that is down, or still being loaded, is no reason not to start: names are answered,
    searches with 503, and it recovers by itself. Raises BundleError; UnfitEngineError when it is
    there and holds other versions only, or when pymilvus is not installed.
    """
    assert settings.index is not None
    milvus = Milvus(settings.index, settings.index_token, settings.index_timeout_ms / 1e3)
    manifest, catalogue, index = open_published(root, milvus)
    try:
        index.check()
    except UnfitEngineError:
        catalogue.close()
        raise
    except EngineError as error:
        _log.warning("%s; searches are answered with 503 until it is there", error)
    return manifest, catalogue, index, MilvusEngine(index, settings.index.uri)
