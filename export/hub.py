"""A checkpoint's files from the Hugging Face hub: only those needed, at a known commit."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from embed.errors import ModelError

CONFIG_FILE: Final = "config.json"
PREPROCESSOR_FILE: Final = "preprocessor_config.json"
TOKENIZER_FILES: Final = (
    *("tokenizer.json", "vocab.json", "merges.txt"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)
"""As ``save_pretrained`` of RobertaTokenizer and RobertaTokenizerFast name them; the first, or
the next two, are enough."""

WEIGHT_FILES: Final = (
    ("model.safetensors",),
    ("model.safetensors.index.json", "model-*-of-*.safetensors"),
    ("pytorch_model.bin",),
    ("pytorch_model.bin.index.json", "pytorch_model-*-of-*.bin"),
)
"""Patterns of weights as ``save_pretrained`` names them, the best first: safetensors hold
no code, and a repository often carries the same weights in both forms."""


def download(repository: str, revision: str | None, *, text: bool = False) -> tuple[Path, str]:
    """Folder of the checkpoint's files, with ``text`` the tokenizer's too, and their commit.

    ``revision`` is a branch, tag or commit; None is the default branch. What the hub's
    cache holds is not fetched again, and serves alone when the hub is out of reach.

    Raises ModelError when there is no such repository or revision, access is refused, or
    the hub is out of reach and the cache holds nothing.
    """
    place = repository if revision is None else f"{repository} at {revision}"
    try:
        folder = snapshot_download(
            repository, revision=revision, allow_patterns=_patterns(repository, revision, text)
        )
    except HFValidationError as error:
        raise ModelError(
            f"{repository!r}: neither a directory here nor a hub id such as "
            "laion/clap-htsat-unfused"
        ) from error
    except GatedRepoError as error:
        raise ModelError(
            f"{place}: the hub wants you to accept this model's terms and log in (hf auth login)"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{place}: no directory here, and the hub has no such public model"
        ) from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{place}: the hub has the model but not this revision") from error
    except LocalEntryNotFoundError as error:
        raise ModelError(
            f"{place}: no directory here, the hub is out of reach and its cache holds no copy"
        ) from error
    except OSError as error:
        # Connections that break half-way, proxies, a full disk.
        raise ModelError(f"{place}: download failed: {one_line(error)}") from error
    return Path(folder), Path(folder).name


def _patterns(repository: str, revision: str | None, text: bool) -> list[str]:
    """Of the files to fetch; every form of weights when the hub does not say which it has."""
    try:
        siblings = HfApi().model_info(repository, revision=revision).siblings or []
    except (RepositoryNotFoundError, RevisionNotFoundError):
        raise
    except OSError:
        # snapshot_download meets the same trouble and falls back to its cache.
        weights = [name for files in WEIGHT_FILES for name in files]
    else:
        weights = list(choose_weights([sibling.rfilename for sibling in siblings]))
    return [CONFIG_FILE, PREPROCESSOR_FILE, *(TOKENIZER_FILES if text else ()), *weights]


def choose_weights(names: Collection[str]) -> tuple[str, ...]:
    """The best of ``WEIGHT_FILES`` whose first file is among ``names``; empty when none is."""
    return next((files for files in WEIGHT_FILES if files[0] in names), ())


def one_line(error: BaseException) -> str:
    """An exception's text on one line, or its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__
