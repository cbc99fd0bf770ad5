"""CLAP's audio tower, re-expressed: the same function in far fewer passes over memory.

Exact, but for rounding (seen: 1e-7 of an embedding's component):

- batch norm, the bicubic stretch and the fold from mel to image are an affine map, a band of
  small matrices and a gather;
- the stream of tokens is kept in the order that the next attention wants, so that cyclic
  shift, window partition and their inverses are one gather between two blocks, and the merging
  of patches needs none beside its own;
- the attention's scale is part of the query's weights, its position bias and shift mask are
  one constant (see ``block``);
- a block runs in chunks of windows that stay in the cache (see ``layout``).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from transformers import ClapAudioModelWithProjection
from transformers.models.clap.modeling_clap import ClapAudioEncoder, ClapAudioPatchMerging

from export import layout
from export.block import Block, Linear, constant


class Tower(nn.Module):
    """Log-mel ``(B, 1, frames, mel_bands)`` → unit embeddings ``(B, projection_dim)``.

    What ``ClapModel.get_audio_features`` computes. Raises ValueError when ``misfit`` names
    a reason.
    """

    def __init__(self, model: ClapAudioModelWithProjection, frames: int) -> None:
        super().__init__()
        if reason := misfit(model):
            raise ValueError(reason)
        encoder = model.audio_model.audio_encoder
        sizes = encoder.input_resolutions
        blocks = [
            [Block(layer, size) for layer in stage.blocks]
            for stage, size in zip(encoder.layers, sizes, strict=True)
        ]
        self.front = Front(encoder, frames, blocks[0][0])
        self.steps = nn.ModuleList()
        for number, stage in enumerate(encoder.layers):
            for block, following in zip(blocks[number], blocks[number][1:], strict=False):
                self.steps += [block, Rearrange(block, following)]
            last = blocks[number][-1]
            self.steps.append(last)
            if stage.downsample is not None:
                self.steps.append(Merge(stage.downsample, last, blocks[number + 1][0]))
        self._join, self.norm = Join(blocks[-1][-1]), encoder.norm
        projection = model.audio_projection
        self.hidden = Linear(projection.linear1.weight, projection.linear1.bias)
        self.activation = projection.activation
        self.embedding = Linear(projection.linear2.weight, projection.linear2.bias)

    def forward(self, input_features: Tensor) -> Tensor:
        streams = self.front(input_features)
        for step in self.steps:
            streams = step(streams)
        # transformers groups the tokens before it pools them: a detour, as the mean of the
        # means of equal groups is the mean.
        pooled = self.norm(self._join(streams)).mean(dim=1)
        embeddings: Tensor = self.embedding(self.activation(self.hidden(pooled)))
        # As torch's normalize, which would leave its own shape's arithmetic in the graph.
        lengths: Tensor = embeddings.norm(dim=-1, keepdim=True)
        return embeddings / lengths.clamp(min=1e-12)


class Front(nn.Module):
    """Log-mel → the first block's chunks of patches."""

    def __init__(self, encoder: ClapAudioEncoder, frames: int, first: Block) -> None:
        super().__init__()
        norm, patches = encoder.batch_norm, encoder.patch_embed
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        self.gain, self.offset = constant(gain), constant(norm.bias - norm.running_mean * gain)
        self._frames_in, self._bands = frames, norm.num_features
        self._frames = encoder.spec_size * encoder.freq_ratio
        seen, weights = layout.stretch(frames, self._frames)
        self.register_buffer("seen", seen.reshape(-1))
        self._seen_shape = (-1, *seen.shape, self._bands)
        self.stretch = constant(weights)

        high, wide = patches.proj.kernel_size
        # Time before frequency, so that neighbouring bands of a patch are gathered together.
        weight = patches.proj.weight[:, 0].transpose(1, 2).flatten(1)
        self.patch, self.norm = Linear(weight, patches.proj.bias), patches.norm
        self._high, self._area = high, high * wide
        self._rows = [first.rows(chunk) for chunk in first.chunks]
        runs = _patch_runs(encoder, high, wide)
        for number, chunk in enumerate(first.chunks):
            self.register_buffer(f"runs_{number}", runs[chunk.tokens].reshape(-1))

    def forward(self, input_features: Tensor) -> list[Tensor]:
        mel = input_features.reshape(-1, self._frames_in, self._bands) * self.gain + self.offset
        seen = mel.index_select(1, self.get_buffer("seen")).reshape(self._seen_shape)
        image = self.stretch @ seen
        runs = image.reshape(-1, self._frames * self._bands // self._high, self._high)
        chunks = []
        for number, rows in enumerate(self._rows):
            patches = runs.index_select(1, self.get_buffer(f"runs_{number}"))
            chunks.append(self.norm(self.patch(patches.reshape(-1, rows, self._area))))
        return chunks


def _patch_runs(encoder: ClapAudioEncoder, high: int, wide: int) -> Tensor:
    """Where each patch lies in the stretched mel, int64 ``(grid, wide)``, in runs of ``high``
    bands: traced by sending numbers through transformers' own ``reshape_mel2img``."""
    bands = encoder.batch_norm.num_features
    frames = encoder.spec_size * encoder.freq_ratio
    numbers = torch.arange(frames * bands, dtype=torch.float64).view(1, 1, frames, bands)
    image: Tensor = encoder.reshape_mel2img(numbers)[0, 0].long()
    patches = image.view(image.shape[0] // high, high, image.shape[1] // wide, wide)
    return patches[:, 0].reshape(-1, wide) // high


class Rearrange(nn.Module):
    """One block's chunks → the next one's; ``wanted`` are grid indices where not its own."""

    def __init__(self, before: Block, after: Block, wanted: list[Tensor] | None = None) -> None:
        super().__init__()
        self._join = Join(before)
        self._rows = [after.rows(chunk) for chunk in after.chunks]
        old, new = ([chunk.tokens for chunk in block.chunks] for block in (before, after))
        self._needless = wanted is None and len(old) == len(new) and all(map(torch.equal, old, new))
        for number, places in enumerate(layout.moves(before.chunks, wanted or new)):
            self.register_buffer(f"places_{number}", places.reshape(-1))

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        if self._needless:
            return streams
        tokens = self._join(streams)
        return [
            self._shaped(tokens.index_select(1, self.get_buffer(f"places_{number}")), rows)
            for number, rows in enumerate(self._rows)
        ]

    def _shaped(self, tokens: Tensor, rows: int) -> Tensor:
        return tokens.reshape(-1, rows, self._join.channels)


class Merge(Rearrange):
    """``ClapAudioPatchMerging``: four tokens become one, twice as wide."""

    def __init__(self, merging: ClapAudioPatchMerging, before: Block, after: Block) -> None:
        corners = layout.merged(*merging.input_resolution)
        super().__init__(before, after, [corners[chunk.tokens] for chunk in after.chunks])
        self.norm = copy.deepcopy(merging.norm)
        self.reduction = Linear(merging.reduction.weight)

    def _shaped(self, tokens: Tensor, rows: int) -> Tensor:
        four = tokens.reshape(-1, rows, 4 * self._join.channels)
        merged: Tensor = self.reduction(self.norm(four))
        return merged


class Join:
    """A block's chunks end to end: ``(B, grid, channels)``."""

    def __init__(self, block: Block) -> None:
        self.channels = block.channels
        self._sizes = [len(chunk.tokens) for chunk in block.chunks]

    def __call__(self, streams: list[Tensor]) -> Tensor:
        parts = [
            stream.reshape(-1, size, self.channels)
            for stream, size in zip(streams, self._sizes, strict=True)
        ]
        return torch.cat(parts, dim=1) if len(parts) > 1 else parts[0]


def misfit(model: ClapAudioModelWithProjection) -> str | None:
    """Why the tower cannot express this model, None when it can.

    It leaves out what transformers does to sizes that do not divide: padding, and a stretch
    of the mel bands. No released checkpoint has any.
    """
    encoder = model.audio_model.audio_encoder
    for stage, resolution in zip(encoder.layers, encoder.input_resolutions, strict=True):
        for layer in stage.blocks:
            layer.set_shift_and_window_size(resolution)  # as any forward pass does
    patches = encoder.patch_embed
    sizes = patches.proj.kernel_size
    if patches.proj.stride != sizes or patches.proj.in_channels != 1 or not patches.flatten:
        return "overlapping, many-channelled or unflattened patches"
    if any(encoder.spec_size % size for size in (*sizes, encoder.batch_norm.num_features)):
        return f"spec_size {encoder.spec_size} is no multiple of the patches' or the mel's size"
    if encoder.batch_norm.num_features % sizes[0]:
        return "patches that reach over the mel's edge"
    for stage, resolution in zip(encoder.layers, encoder.input_resolutions, strict=True):
        window = stage.blocks[0].window_size
        if any(size % window or (stage.downsample and size % 2) for size in resolution):
            return f"a stage of {resolution[0]} × {resolution[1]} in windows of {window}"
    return None
