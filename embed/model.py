"""Which model a run embeds with: the bundle's own, another bundle's, or the sample."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from embed import sample
from embed.bundle import open_bundle, sha256_file
from embed.errors import BundleError, ModelError
from embed.manifest import MODEL_FILE, TEXT_FILE, TOKENIZER_FILE, Manifest, ModelInfo, TextInfo
from embed.spec import FrontEnd
from embed.store.cache import local_copy
from embed.store.place import parse_place

SAMPLE: Final = "sample"


@dataclass(frozen=True, slots=True)
class Model:
    """A model's files, by their names in a bundle, and what a manifest says of them."""

    files: Mapping[str, Path]
    info: ModelInfo

    @property
    def path(self) -> Path:
        """The audio tower."""
        return self.files[MODEL_FILE]


def choose_model(
    wanted: str | None, to: Path, previous: Manifest | None, cache: Path | None = None
) -> Model:
    """The model for songs that go to the bundle ``to``, whose manifest is ``previous``.

    ``wanted`` is ``sample``, a bundle (a directory, or an S3 store, of which a copy is kept
    below ``cache``), or None: the model that ``to`` already has, else the sample. Raises
    BundleError, StoreError or ModelError when it cannot be had.
    """
    if previous is not None and previous.model is None and previous.spec is not None:
        raise BundleError(
            f"{to}: holds {previous.songs} imported songs, whose embeddings were made "
            "elsewhere; songs embedded here cannot be compared with them: choose another --to"
        )
    if wanted is None and previous is not None and previous.model is not None:
        return model_of(to)
    if wanted is None or wanted == SAMPLE:
        chosen = sample_model()
    else:
        chosen = model_of(local_copy(parse_place(wanted), cache))
    mine = None if previous is None else previous.model
    if mine is not None and mine.sha256 == chosen.info.sha256 and chosen.info.text is None:
        return model_of(to)  # the same, perhaps with the text tower that the other lacks
    return chosen


def model_of(root: Path) -> Model:
    """The model in the bundle at ``root``, its digest checked. Raises BundleError."""
    bundle = open_bundle(root)
    if bundle.manifest.model is None:
        raise BundleError(f"{root}: a bundle without a model; python -m export makes one")
    info = bundle.manifest.model
    names = [MODEL_FILE] + ([TEXT_FILE, TOKENIZER_FILE] if info.text else [])
    return Model({name: bundle.file(name) for name in names}, info)


def sample_model() -> Model:
    """The small model shipped with the package. Raises ModelError when it is not there."""
    files = {
        MODEL_FILE: sample.MODEL_PATH,
        TEXT_FILE: sample.TEXT_PATH,
        TOKENIZER_FILE: sample.TOKENIZER_PATH,
    }
    for path in files.values():
        if not path.exists():
            raise ModelError(f"{path}: the sample model is missing from this installation")
    text = TextInfo(
        sha256=sha256_file(sample.TEXT_PATH),
        tokenizer_sha256=sha256_file(sample.TOKENIZER_PATH),
        **json.loads(sample.TEXT_INFO_PATH.read_text(encoding="utf-8")),
    )
    info = ModelInfo(
        id=sample.MODEL_ID,
        sha256=sha256_file(sample.MODEL_PATH),
        kind=SAMPLE,
        front_end=FrontEnd.from_preprocessor(
            json.loads(sample.PREPROCESSOR_PATH.read_text(encoding="utf-8")),
            str(sample.PREPROCESSOR_PATH),
        ),
        text=text,
    )
    return Model(files, info)
