"""A CLAP checkpoint → one of its towers in PyTorch, float32, and what goes with it."""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from transformers import (
    ClapAudioConfig,
    ClapAudioModelWithProjection,
    ClapConfig,
    PretrainedConfig,
)

from embed.errors import ModelError
from embed.spec import EMBEDDING_SIZE, FrontEnd
from export.hub import CONFIG_FILE, PREPROCESSOR_FILE, WEIGHT_FILES, choose_weights, download
from export.hub import one_line as _line

_AUDIO: Final = ("audio_model.", "audio_projection.")
_LEARNED: Final = (".weight", ".bias", ".relative_position_bias_table")
_COMPUTED: Final = (
    *(".num_batches_tracked", ".relative_position_index"),
    *(".position_ids", ".token_type_ids"),
)
"""Buffers that say nothing, or that the configuration decides."""

KIND: Final = "vibe_search_kind"
"""Field of ``config.json`` that marks a model of ours."""

_LFS_POINTER: Final = b"version https://git-lfs"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a checkpoint's files lie: ``place`` as the user named it, ``id`` as manifests do.

    ``revision`` is the hub's commit, None for a directory.
    """

    place: str
    folder: Path
    id: str
    revision: str | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """``model`` is in evaluation mode; ``revision`` the hub's commit, None for a directory.

    ``kind`` is ``clap``, unless the checkpoint's configuration says otherwise, as that of our
    own sample model does: it must never pass for CLAP.
    """

    id: str
    kind: str
    revision: str | None
    front_end: FrontEnd
    preprocessor: dict[str, Any]
    model: ClapAudioModelWithProjection


def find(source: str, revision: str | None = None, *, text: bool = False) -> Source:
    """The files of a hub id or of a directory as ``save_pretrained`` writes it; with ``text``
    the tokenizer's too. Raises ModelError, one line that names the place, when there are none."""
    if Path(source).is_dir():
        if revision is not None:
            raise ModelError(f"{source}: is a directory, which has no revision {revision!r}")
        return Source(source, Path(source), Path(source).resolve().name, None)
    if Path(source).exists() or source.startswith((".", "/", "~")):
        raise ModelError(f"{source}: no such directory")
    folder, commit = download(source, revision, text=text)
    return Source(source, folder, source, commit)


def load_checkpoint(source: str, revision: str | None = None) -> Checkpoint:
    """The audio tower of what ``find`` finds, as ``load_audio`` gives it."""
    return load_audio(find(source, revision))


def load_audio(source: Source) -> Checkpoint:
    """The audio tower of a checkpoint.

    Takes a whole ``ClapModel`` or a ``ClapAudioModelWithProjection``. Raises ModelError, one
    line that names the place, when it is another kind of model, a fusion checkpoint, of another
    width than 512, damaged, or lacks weights.
    """
    folder, place = source.folder, source.place
    config = _audio_config(folder, place)
    kind = str(getattr(config, KIND, "clap"))
    preprocessor = read_json(folder, PREPROCESSOR_FILE, place)
    front_end = FrontEnd.from_preprocessor(preprocessor, f"{place}: {PREPROCESSOR_FILE}")
    check_width(config.projection_dim, place)
    _check_sizes(config, front_end, place)
    model = load_tower(ClapAudioModelWithProjection, source, config, _AUDIO)
    return Checkpoint(source.id, kind, source.revision, front_end, preprocessor, model)


def _audio_config(folder: Path, place: str) -> ClapAudioConfig:
    fields = read_json(folder, CONFIG_FILE, place)
    kind = fields.get("model_type")
    try:
        if kind == "clap":
            # ClapConfig hands its projection's width and activation to both towers.
            config = ClapConfig.from_dict(fields).audio_config
        elif kind == "clap_audio_model":
            config = ClapAudioConfig.from_dict(fields)
        else:
            raise ModelError(f"{place}: {CONFIG_FILE} says model_type {kind!r}, expected 'clap'")
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{place}: {CONFIG_FILE}: {_line(error)}") from error
    if config.enable_fusion:
        raise ModelError(
            f"{place}: {CONFIG_FILE} says enable_fusion true; fusion checkpoints are not "
            "supported, use an unfused one such as laion/clap-htsat-unfused"
        )
    return config


def read_json(folder: Path, name: str, place: str) -> dict[str, Any]:
    """The object in one of a checkpoint's files. Raises ModelError when there is none."""
    try:
        value = json.loads((folder / name).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"{place}: not a CLAP checkpoint: holds no {name}") from None
    except OSError as error:
        raise ModelError(f"{place}: {name}: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{place}: {name} is not JSON: {_line(error)}") from error
    if not isinstance(value, dict):
        raise ModelError(f"{place}: {name} holds a {type(value).__name__}, expected an object")
    return value


def check_width(projection_dim: int, place: str) -> None:
    """Raises ModelError when a tower does not answer in 512 dimensions."""
    if projection_dim != EMBEDDING_SIZE:
        raise ModelError(f"{place}: projection_dim is {projection_dim}, expected {EMBEDDING_SIZE}")


def _check_sizes(config: ClapAudioConfig, front_end: FrontEnd, place: str) -> None:
    if config.num_mel_bins != front_end.mel_bands:
        raise ModelError(
            f"{place}: the model takes {config.num_mel_bins} mel bands, "
            f"{PREPROCESSOR_FILE} makes {front_end.mel_bands}"
        )
    most = config.spec_size * (config.spec_size // config.num_mel_bins)
    if front_end.frames > most:
        raise ModelError(
            f"{place}: the model takes {most} frames at most, {PREPROCESSOR_FILE} makes "
            f"{front_end.frames}"
        )


def _check_weights_there(folder: Path, place: str) -> None:
    files = choose_weights([path.name for path in folder.iterdir()])
    if not files:
        first = ", ".join(names[0] for names in WEIGHT_FILES)
        raise ModelError(f"{place}: holds no weights (none of {first})")
    for path in (path for pattern in files for path in folder.glob(pattern)):
        with path.open("rb") as file:
            if file.read(len(_LFS_POINTER)) == _LFS_POINTER:
                raise ModelError(f"{place}: {path.name} is a Git LFS pointer: git lfs pull")


def load_tower(
    kind: type[Any], source: Source, config: PretrainedConfig, mine: tuple[str, ...]
) -> Any:  # noqa: ANN401 - the model that ``kind`` is; transformers has no types
    """A tower in evaluation mode, float32; ``mine`` are the prefixes of its weights' names.

    Raises ModelError when they are not there, are damaged, or are those of another model.
    """
    place = source.place
    _check_weights_there(source.folder, place)
    try:
        model, found = kind.from_pretrained(
            source.folder,
            config=config,
            dtype=torch.float32,  # else half-precision weights would stay so
            weights_only=True,
            local_files_only=True,
            output_loading_info=True,
        )
    except (
        *(SafetensorError, pickle.UnpicklingError, OSError, EOFError),
        *(RuntimeError, ValueError, TypeError, KeyError),  # sizes and names that do not fit
    ) as error:
        raise ModelError(f"{place}: the model cannot be loaded: {_line(error)}") from error
    missing = set(found["missing_keys"])
    _refuse("lacks", [key for key in missing if not key.endswith(_COMPUTED)], place)
    if missing:
        # What a checkpoint of another version leaves out is memory as it was found.
        fresh = kind(config).state_dict()
        model.load_state_dict({key: fresh[key] for key in missing}, strict=False)
    unknown = [key for key in found["unexpected_keys"] if key.startswith(mine)]
    # Buffers come and go with transformers' versions; a learned weight left out is another model.
    _refuse("holds unknown", [key for key in unknown if key.endswith(_LEARNED)], place)
    return model.eval()


def _refuse(what: str, keys: list[str], place: str) -> None:
    if keys:
        more = f" and {len(keys) - 1} more" if len(keys) > 1 else ""
        raise ModelError(f"{place}: the checkpoint {what} {sorted(keys)[0]}{more}")
