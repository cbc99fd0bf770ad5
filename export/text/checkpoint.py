"""A CLAP checkpoint → its text tower in PyTorch, float32, and its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transformers import (
    ClapConfig,
    ClapTextConfig,
    ClapTextModelWithProjection,
    RobertaTokenizerFast,
)

from embed.errors import ModelError
from export.checkpoint import Source, check_width, load_tower, read_json
from export.hub import CONFIG_FILE
from export.hub import one_line as _line
from export.text.tower import misfit

_TEXT: Final = ("text_model.", "text_projection.")
_ONE_OF: Final = (("tokenizer.json",), ("vocab.json", "merges.txt"))


@dataclass(frozen=True, slots=True)
class TextCheckpoint:
    """``model`` is in evaluation mode; texts are cut after ``max_tokens``."""

    id: str
    max_tokens: int
    model: ClapTextModelWithProjection
    tokenizer: RobertaTokenizerFast


def load_text(source: Source) -> TextCheckpoint:
    """The text tower of a checkpoint and its tokenizer.

    Takes a whole ``ClapModel`` or a ``ClapTextModelWithProjection``, and a tokenizer in either
    form: ``tokenizer.json``, or ``vocab.json`` with ``merges.txt``. Raises ModelError, one line
    that names the place, when a part is absent, damaged, or does not fit the other.
    """
    place = source.place
    config = _text_config(source.folder, place)
    check_width(config.projection_dim, place)
    tokenizer = _tokenizer(source.folder, place)
    _check_fit(config, tokenizer, place)
    model = load_tower(ClapTextModelWithProjection, source, config, _TEXT)
    if reason := misfit(model):
        raise ModelError(f"{place}: the text tower has {reason}, which is not supported")
    return TextCheckpoint(source.id, max_tokens(config, tokenizer), model, tokenizer)


def max_tokens(config: ClapTextConfig, tokenizer: RobertaTokenizerFast) -> int:
    """After how many tokens transformers cuts a text: ``model_max_length`` of the checkpoint's
    ``tokenizer_config.json``, 512 for every released CLAP.

    Where that says nothing (transformers then takes 1e30), what there are positions for:
    RoBERTa's count from the padding's id + 1 on (fairseq's ``make_positions``), so two of the
    514 are never used.
    """
    positions = config.max_position_embeddings - config.pad_token_id - 1
    return int(min(tokenizer.model_max_length, positions))


def _text_config(folder: Path, place: str) -> ClapTextConfig:
    fields = read_json(folder, CONFIG_FILE, place)
    kind = fields.get("model_type")
    try:
        if kind == "clap":
            # ClapConfig hands its projection's width and activation to both towers.
            return ClapConfig.from_dict(fields).text_config
        if kind == "clap_text_model":
            return ClapTextConfig.from_dict(fields)
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{place}: {CONFIG_FILE}: {_line(error)}") from error
    raise ModelError(
        f"{place}: {CONFIG_FILE} says model_type {kind!r}, expected 'clap': no text tower here"
    )


def _tokenizer(folder: Path, place: str) -> RobertaTokenizerFast:
    if not any(all((folder / name).exists() for name in names) for names in _ONE_OF):
        forms = ", nor ".join(" with ".join(names) for names in _ONE_OF)
        raise ModelError(f"{place}: holds no tokenizer: neither {forms}")
    try:
        # ClapProcessor takes no other kind. Not AutoTokenizer, which knows it only by the name
        # of a whole ClapModel.
        return RobertaTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise ModelError(f"{place}: the tokenizer cannot be loaded: {_line(error)}") from error


def _check_fit(config: ClapTextConfig, tokenizer: Any, place: str) -> None:  # noqa: ANN401
    if len(tokenizer) > config.vocab_size:
        raise ModelError(
            f"{place}: the tokenizer knows {len(tokenizer)} tokens, the text tower "
            f"{config.vocab_size}: not of one checkpoint"
        )
    for name in ("bos", "pad", "eos"):
        ours, theirs = getattr(tokenizer, f"{name}_token_id"), getattr(config, f"{name}_token_id")
        if ours != theirs:
            raise ModelError(
                f"{place}: the tokenizer's {name} token is {ours}, the text tower's {theirs}"
            )
