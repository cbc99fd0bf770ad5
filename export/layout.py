"""Which token lies where: the tower's shifts, partitions and merges as plain indices.

The tower works on a grid of tokens, cut into square windows; every second block shifts the
grid cyclically by half a window first. Attention looks within a window only and all else at
single tokens, so a block is free to hold its tokens in any order, as long as it knows which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

HIDDEN_BYTES: Final = 1_600_000
"""Largest activation of a chunk, float32, so that it is read again from a core's own cache.
Measured with 2 MB of it: int8 10 % faster than whole blocks, fp32 as fast; half or twice as
much makes no difference."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some windows of a block that are computed together.

    ``tokens`` are the grid's indices, int64 ``(windows * size,)``: window by window when
    every window has the same attention mask (``mask_of`` one window), else the windows'
    first tokens, then their second ones, and so on.
    """

    windows: tuple[int, ...]
    tokens: Tensor
    same_mask: bool


def partition(height: int, width: int, window: int, shift: int) -> Tensor:
    """Grid indices of each window's tokens, int64 ``(windows, window²)``, after the shift."""
    grid = torch.arange(height * width).view(height, width).roll((-shift, -shift), (0, 1))
    tiles = grid.view(height // window, window, width // window, window)
    return tiles.transpose(1, 2).reshape(-1, window * window)


def chunks(windows: Tensor, mask: Tensor | None, token_bytes: int) -> list[Chunk]:
    """A block's windows in chunks whose largest activation keeps to ``HIDDEN_BYTES``.

    ``windows`` is as ``partition`` returns it, ``mask`` None or float ``(windows, n, n)``,
    ``token_bytes`` the size of a token's largest activation. Windows of a chunk have the same
    mask, so that one copy serves them; a block that is small enough is one chunk all the same.
    """
    count, size = windows.shape
    most = max(1, HIDDEN_BYTES // (size * token_bytes))
    if mask is None:
        kinds = torch.zeros(count, dtype=torch.int64)
    else:
        kinds = torch.unique(mask.flatten(1), dim=0, return_inverse=True)[1]
    if count <= most and len(kinds.unique()) > 1:
        return [Chunk(tuple(range(count)), windows.t().reshape(-1), same_mask=False)]
    found = []
    for kind in kinds.unique():
        members = (kinds == kind).nonzero()[:, 0]
        for part in members.tensor_split(-(-len(members) // most)):
            found.append(Chunk(tuple(part.tolist()), windows[part].reshape(-1), same_mask=True))
    return found


def moves(before: list[Chunk], after: list[Tensor]) -> list[Tensor]:
    """Where in ``before``, laid end to end, each of the grid indices ``after`` is to be found."""
    tokens = torch.cat([chunk.tokens for chunk in before])
    place = torch.empty_like(tokens)
    place[tokens] = torch.arange(len(tokens))
    return [place[wanted] for wanted in after]


def merged(height: int, width: int) -> Tensor:
    """Grid indices of the four tokens that make one of the next stage: ``(h/2 * w/2, 4)``.

    In the order in which ``ClapAudioPatchMerging`` concatenates them.
    """
    grid = torch.arange(height * width).view(height, width)
    corners = [grid[0::2, 0::2], grid[1::2, 0::2], grid[0::2, 1::2], grid[1::2, 1::2]]
    return torch.stack(corners, dim=-1).view(-1, 4)


def stretch(frames: int, wanted: int) -> tuple[Tensor, Tensor]:
    """The bicubic stretch of ``reshape_mel2img`` from ``frames`` to ``wanted``, as matrices.

    Each output depends on four inputs, so the matrix is cut into blocks of rows that see only
    their stretch of the input: an eighth of the arithmetic. Returns int64 ``(blocks, width)``,
    the frames each block sees, and float32 ``(blocks, wanted / blocks, width)``.
    """
    identity = torch.eye(frames)[None, None]
    matrix = torch.nn.functional.interpolate(
        identity, (wanted, frames), mode="bicubic", align_corners=True
    )[0, 0]
    blocks = next(count for count in (8, 4, 2, 1) if wanted % count == 0)
    rows = matrix.view(blocks, -1, frames)
    seen = [block.any(dim=0).nonzero()[:, 0] for block in rows]
    width = max(int(columns[-1] - columns[0]) + 1 for columns in seen)
    first = torch.tensor([min(int(columns[0]), frames - width) for columns in seen])
    columns = first[:, None] + torch.arange(width)
    return columns, rows.gather(2, columns[:, None].expand(-1, rows.shape[1], -1))
