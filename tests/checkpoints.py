"""Checkpoints made on the spot, in the shape of laion/clap-htsat-unfused.

No test downloads a model, so these stand in for the real one: the same files, the same
architecture, random weights. They show that an export is *right* (the same function, op
by op); what quantisation does to trained weights they cannot show.

transformers' own initialiser draws weights so small that every block hardly adds to its
input, and all audio ends up in nearly the same place: neighbours would be noise. So linear
weights are drawn with unit gain (std = fan_in ** -0.5), biases, norms and position biases
are not left at their constants (a swapped or forgotten one must show), and batch norm
holds the statistics of real log-mels, as after training. ``spread`` measures the result.
"""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from embed.mel import log_mel
from embed.spec import FrontEnd
from export.signals import synthetic_windows
from export.text.texts import texts

PREPROCESSOR: dict[str, Any] = {
    "chunk_length_s": 10,
    "feature_extractor_type": "ClapFeatureExtractor",
    "feature_size": 64,
    "fft_window_size": 1024,
    "frequency_max": 14000,
    "frequency_min": 50,
    "hop_length": 480,
    "max_length_s": 10,
    "n_fft": 1024,
    "nb_frequency_bins": 513,
    "nb_max_frames": 1000,
    "nb_max_samples": 480000,
    "padding": "repeatpad",
    "padding_side": "right",
    "padding_value": 0.0,
    "processor_class": "ClapProcessor",
    "return_attention_mask": False,
    "sampling_rate": 48000,
    "top_db": None,
    "truncation": "rand_trunc",
}
"""The preprocessor_config.json of laion/clap-htsat-unfused, field by field."""

SMALL_AUDIO: dict[str, Any] = {
    "patch_size": 8,
    "patch_stride": [8, 8],
    "patch_embeds_hidden_size": 48,
    "hidden_size": 192,
    "depths": [2, 2, 2],
    "num_attention_heads": [2, 4, 8],
    "num_hidden_layers": 3,
    "projection_dim": 512,
}
"""ClapAudioConfig of the sample model: 1.6 M parameters."""

SMALL_TEXT: dict[str, Any] = {"vocab_size": 100, "num_hidden_layers": 1}
"""Where the text tower is not exported, a small one keeps a whole ClapModel's file small."""

TINY_TEXT: dict[str, Any] = {
    "vocab_size": 1200,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}
"""A text tower with a vocabulary of its own; see ``write_tokenizer``."""


def write_random_clap(
    folder: Path,
    seed: int = 0,
    audio_only: bool = False,
    audio: dict[str, Any] | None = None,
    text: dict[str, Any] | None = None,
) -> Path:
    """Write a random checkpoint as ``save_pretrained`` does, and return its folder.

    ``audio`` and ``text`` are fields of ClapAudioConfig and ClapTextConfig that differ from
    the defaults: full size and ``SMALL_TEXT``. ``audio_only`` writes a
    ClapAudioModelWithProjection, else a whole ClapModel. The same seed gives the same
    audio weights either way.
    """
    import torch
    from transformers import ClapConfig, ClapModel

    model = tower = random_tower(seed, audio)
    if not audio_only:
        config = ClapConfig(
            text_config=SMALL_TEXT if text is None else text, audio_config=audio or {}
        )
        model = ClapModel(config)
        model.load_state_dict(tower.state_dict(), strict=False)
        with torch.no_grad():
            _draw(model.text_model)
            _draw(model.text_projection)
    model.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR, indent=2))
    return folder


def write_tokenizer(folder: Path, size: int, max_tokens: int | None = 512) -> Path:
    """The tokenizer's files as laion/clap-htsat-unfused has them, of ``size`` tokens at most.

    Byte-level BPE, trained on this repository's own words; special tokens have RoBERTa's ids,
    0 to 3 and the last. ``max_tokens`` is the configuration's ``model_max_length``.
    """
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    root = Path(__file__).parent.parent
    words = [*texts(), *((root / name).read_text() for name in ("README.md", "CHANGELOG.md"))]
    bpe = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    bpe.train_from_iterator(
        words, vocab_size=size - 1, min_frequency=2, special_tokens=special, show_progress=False
    )
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = (Path(name) for name in bpe.save_model(str(folder)))
    tokens = json.loads(vocabulary.read_text())
    vocabulary.write_text(json.dumps(tokens | {"<mask>": len(tokens)}, ensure_ascii=False))
    length = {} if max_tokens is None else {"model_max_length": max_tokens}
    RobertaTokenizerFast(str(vocabulary), str(merges), **length).save_pretrained(folder)
    return folder


def random_tower(seed: int = 0, audio: dict[str, Any] | None = None) -> Any:
    """The ClapAudioModelWithProjection that ``write_random_clap`` writes."""
    import torch
    from transformers import ClapAudioConfig, ClapAudioModelWithProjection

    torch.manual_seed(seed)
    tower = ClapAudioModelWithProjection(ClapAudioConfig(**(audio or {})))
    with torch.no_grad():
        _draw(tower)
        norm = tower.audio_model.audio_encoder.batch_norm
        mean, variance = _band_statistics()
        norm.running_mean.copy_(torch.from_numpy(mean))
        norm.running_var.copy_(torch.from_numpy(variance))
    return tower.eval()


def _draw(tower: Any) -> None:
    from torch import nn

    for module in tower.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.normal_(module.weight, std=module.weight[0].numel() ** -0.5)
            if module.bias is not None:
                nn.init.normal_(module.bias, std=0.1)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight)
        elif isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            nn.init.normal_(module.weight, mean=1.0, std=0.2)
            nn.init.normal_(module.bias, std=0.1)
        elif hasattr(module, "relative_position_bias_table"):
            nn.init.normal_(module.relative_position_bias_table, std=0.5)


@lru_cache(maxsize=1)
def _band_statistics() -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of each mel band over ordinary sounds; each eighth window is enough."""
    front_end = FrontEnd.from_preprocessor(PREPROCESSOR, "PREPROCESSOR")
    windows = list(synthetic_windows(front_end).values())[::8]
    frames = np.concatenate([log_mel(window, front_end) for window in windows])
    return frames.mean(axis=0), frames.var(axis=0)


def spread(embeddings: np.ndarray) -> float:
    """Mean cosine between different rows of ``(N, 512)``: 1 is one point, 0 is spread out."""
    cosines = embeddings @ embeddings.T
    return float((cosines.sum() - len(cosines)) / (cosines.size - len(cosines)))
