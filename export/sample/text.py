"""The sample's text tower: trained to point where the sample's audio tower puts songs.

python -m export.sample.text --to CHECKPOINT --cache CACHE
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from tokenizers import ByteLevelBPETokenizer
from torch import Tensor
from torch.nn.functional import log_softmax, normalize
from transformers import ClapTextConfig, ClapTextModelWithProjection, RobertaTokenizerFast

from embed import sample
from embed.spec import EMBEDDING_SIZE
from export.checkpoint import KIND, find
from export.gate import convert_within_limits
from export.sample.recall import Catalogue, Rows, catalogues, recall
from export.sample.terms import (
    HELD_OUT,
    NOUNS,
    TERMS,
    TRAINING,
    Truth,
    sentence,
    wrapped,
)
from export.text.checkpoint import load_text
from export.text.convert import TOKENIZER
from export.text.gate import TextCandidate
from export.text.verify import text_reference

log = logging.getLogger(__name__)

TRAINING_SEEDS: Final = range(5001, 5015)
HELD_OUT_SEEDS: Final = range(5015, 5019)
"""Of catalogues of 48 songs each, as ``python -m embed.sample`` makes them; the demo's own seed
is among neither."""

MAX_TOKENS: Final = 64
VOCABULARY: Final = 900
SPECIAL: Final = ("<s>", "<pad>", "</s>", "<unk>")
"""With RoBERTa's ids; ``<mask>`` is its last."""

CONFIG: Final[dict[str, Any]] = {
    # As small as it may be: half of it is CLAP's projection, which answers in 512 dimensions.
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": MAX_TOKENS + 2,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.0,
    "projection_dim": EMBEDDING_SIZE,
}

TEMPERATURE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Recipe:
    """How long and how fast."""

    steps: int = 800
    sentences_per_step: int = 128
    learning_rate: float = 2e-3
    warm_up_steps: int = 100
    seed: int = 1


def write_tokenizer(folder: Path) -> RobertaTokenizerFast:
    """A byte-level BPE of what the terms and sentences are made of, in RoBERTa's form."""
    words = [word for term in TERMS for word in term.words] + [*NOUNS, *TRAINING]
    spaced = [f" {word}" for word in words]
    bpe = ByteLevelBPETokenizer()
    bpe.train_from_iterator(
        [*words, *spaced, *(word.lower() for word in spaced)],
        vocab_size=VOCABULARY - 1,
        min_frequency=1,
        special_tokens=list(SPECIAL),
        show_progress=False,
    )
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary, merges = (Path(name) for name in bpe.save_model(str(folder)))
    tokens = json.loads(vocabulary.read_text())
    vocabulary.write_text(json.dumps(tokens | {"<mask>": len(tokens)}, ensure_ascii=False))
    tokenizer = RobertaTokenizerFast(str(vocabulary), str(merges), model_max_length=MAX_TOKENS)
    tokenizer.save_pretrained(folder)
    # The real repository has both forms; one is enough here.
    vocabulary.unlink()
    Path(merges).unlink()
    return tokenizer


def train(tokenizer: RobertaTokenizerFast, songs: Catalogue, recipe: Recipe) -> Any:  # noqa: ANN401
    """A tower whose answer to a sentence is nearest to the songs of which it is true.

    Cross-entropy of a softmax over all songs' cosines against the songs that fit, alike each:
    CLIP's loss with more than one right answer, and nothing wrong by chance.
    """
    torch.manual_seed(recipe.seed)
    tower = ClapTextModelWithProjection(ClapTextConfig(vocab_size=len(tokenizer), **CONFIG))
    embeddings, truth = torch.from_numpy(songs.embeddings), Truth(songs.songs)
    optimiser = torch.optim.AdamW(tower.parameters(), lr=recipe.learning_rate, weight_decay=0.05)
    rng = np.random.default_rng(recipe.seed)
    tower.train()
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(step, recipe)
        chosen = rng.integers(len(songs.songs), size=recipe.sentences_per_step)
        said = [sentence(songs.songs[int(i)], TRAINING, rng) for i in chosen]
        right = torch.from_numpy(np.stack([truth.of(terms) for _, terms in said])).float()
        answers = answer(tower, tokenizer, [wrapped(text, rng) for text, _ in said])
        likely = log_softmax(answers @ embeddings.T / TEMPERATURE, dim=1)
        loss = -(likely * right / right.sum(dim=1, keepdim=True)).sum(dim=1).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(tower.parameters(), 1.0)
        optimiser.step()
        if step % 100 == 99:
            log.info("step %d: loss %.3f", step + 1, float(loss.detach()))
    return tower.eval()


def answer(tower: Any, tokenizer: RobertaTokenizerFast, texts: list[str]) -> Tensor:  # noqa: ANN401
    """Unit embeddings ``(N, 512)``."""
    batch = tokenizer(
        texts, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
    )
    return normalize(tower(**batch).text_embeds, dim=-1)


def _schedule(step: int, recipe: Recipe) -> float:
    if step < recipe.warm_up_steps:
        return (step + 1) / recipe.warm_up_steps
    done = (step - recipe.warm_up_steps) / max(recipe.steps - recipe.warm_up_steps, 1)
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done))


def ship(checkpoint: Path, to: Path) -> None:
    """The checkpoint's tower through the gate into ``to``, as ``embed.sample`` has it."""
    text = load_text(find(str(checkpoint)))
    with tempfile.TemporaryDirectory() as scratch:
        model, found = convert_within_limits(
            TextCandidate(text, text_reference(text)),
            "fp32",
            Path(scratch),
            accept_loss=False,
            say=log.info,
        )
        shutil.copyfile(model, to / sample.TEXT_PATH.name)
        shutil.copyfile(model.with_name(TOKENIZER), to / sample.TOKENIZER_PATH.name)
    said = {"max_tokens": text.max_tokens, "verification": found.to_json()}
    written = json.dumps(said, indent=2, sort_keys=True) + "\n"
    (to / sample.TEXT_INFO_PATH.name).write_text(written, encoding="utf-8")


def main() -> int:
    """Parses arguments; trains, writes the checkpoint, prints the figures."""
    parser = argparse.ArgumentParser(prog="python -m export.sample.text", description=__doc__)
    parser.add_argument("--to", type=Path, required=True, help="the checkpoint's directory")
    parser.add_argument("--cache", type=Path, required=True, help="songs' embeddings, kept")
    parser.add_argument("--ship", type=Path, help="also write the ONNX files into this folder")
    parser.add_argument("--steps", type=int, default=Recipe().steps)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    torch.set_num_threads(1)  # so small a tower is done sooner, and always alike
    parts = catalogues(args.cache, TRAINING_SEEDS, args.workers)
    songs = Catalogue(
        [song for part in parts for song in part.songs],
        np.concatenate([part.embeddings for part in parts]),
    )
    tokenizer = write_tokenizer(args.to)
    tower = train(tokenizer, songs, Recipe(steps=args.steps))
    tower.config.update({KIND: "sample"})  # it must never pass for CLAP
    tower.half().save_pretrained(args.to)
    tower.float()
    held_out = catalogues(args.cache, HELD_OUT_SEEDS, args.workers)

    def embed(texts: list[str]) -> Rows:
        with torch.inference_mode():
            found: Rows = answer(tower, tokenizer, texts).numpy()
        return found

    for what, templates in (("training's", TRAINING), ("held-out", HELD_OUT)):
        print(f"held-out songs, {what} sentences: {recall(embed, held_out, templates)}")
    if args.ship:
        ship(args.to, args.ship)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
