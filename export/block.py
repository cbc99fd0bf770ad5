"""One layer of the re-expressed tower: attention within windows, then the two-layer net."""

from __future__ import annotations

import copy
from typing import Final, Protocol

import torch
from torch import Tensor, nn
from transformers.models.clap.modeling_clap import ClapAudioLayer, ClapAudioSelfAttention

from export import layout

ATTENTION_DOMAIN: Final = "export.opset23"
"""torch's exporter knows opsets up to 20; ``graph.finish`` makes it ONNX's own operator."""


class _Graph(Protocol):
    """What torch's exporter hands to ``symbolic``."""

    def op(self, name: str, *inputs: torch.Value, **attributes: float) -> torch.Value: ...


class Attention(torch.autograd.Function):
    """ONNX's ``Attention`` (opset 23) with an additive bias and no scale of its own."""

    @staticmethod
    def forward(
        _context: object, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, heads: int
    ) -> Tensor:
        """``(B, n, c)`` each, and ``(1, heads, n, n)`` → ``(B, n, c)``."""
        batch, tokens, channels = query.shape
        query, key, value = (
            part.view(batch, tokens, heads, channels // heads).transpose(1, 2)
            for part in (query, key, value)
        )
        weights = torch.softmax(query @ key.transpose(-1, -2) + bias, dim=-1)
        return (weights @ value).transpose(1, 2).reshape(batch, tokens, channels)

    @staticmethod
    def symbolic(
        graph: _Graph,
        query: torch.Value,
        key: torch.Value,
        value: torch.Value,
        bias: torch.Value,
        heads: int,
    ) -> torch.Value:
        """The ONNX node."""
        node = graph.op(
            f"{ATTENTION_DOMAIN}::Attention",
            *(query, key, value, bias),
            q_num_heads_i=heads,
            kv_num_heads_i=heads,
            scale_f=1.0,
        )
        return node.setType(query.type())


class Linear(nn.Module):
    """``x @ weight + bias``; ``weight`` is ``(in, out)``, as ONNX's MatMul takes it.

    With ``rounded`` set it computes what int8 makes of it (see ``sensitivity``).
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        """``weight`` is ``(out, in)``, as ``nn.Linear`` holds it."""
        super().__init__()
        self.weight = constant(weight.t())
        self.bias = None if bias is None else constant(bias)
        self.rounded = False

    def forward(self, inputs: Tensor) -> Tensor:
        if self.rounded:
            product = _rounded_inputs(inputs) @ _rounded_weight(self.weight)
        else:
            product = inputs @ self.weight
        return product if self.bias is None else product + self.bias


class Block(nn.Module):
    """A ``ClapAudioLayer`` on chunks of windows.

    A chunk's tensor is ``(B * windows, n, c)`` for windows of n tokens, or, when their masks
    differ, ``(B, n * windows, c)``; ``rows`` tells the second dimension.
    """

    def __init__(self, layer: ClapAudioLayer, resolution: tuple[int, int]) -> None:
        super().__init__()
        attention = layer.attention.self
        self.heads, self.channels = attention.num_attention_heads, attention.all_head_size
        windows = layout.partition(*resolution, layer.window_size, layer.shift_size)
        mask = layer.get_attn_mask(*resolution, torch.float32, "cpu")
        hidden = layer.intermediate.dense.out_features
        self.chunks = layout.chunks(windows, mask, hidden * torch.float32.itemsize)
        self._size = windows.shape[1]
        # Copies: ``smooth`` changes them, and the model must stay as it is.
        self.norm_attention = copy.deepcopy(layer.layernorm_before)
        self.norm_net = copy.deepcopy(layer.layernorm_after)
        self._take_attention(attention, layer.attention.output.dense)
        self.up = Linear(layer.intermediate.dense.weight, layer.intermediate.dense.bias)
        self.activation = layer.intermediate.intermediate_act_fn
        self.down = Linear(layer.output.dense.weight, layer.output.dense.bias)
        self.biases, self._bias_of = _biases(attention, mask, self.chunks)

    def _take_attention(self, attention: ClapAudioSelfAttention, output: nn.Linear) -> None:
        query, key, value = attention.query, attention.key, attention.value
        scale = attention.attention_head_size**-0.5
        bias = None if query.bias is None else query.bias * scale
        self.query = Linear(query.weight * scale, bias)
        # Softmax does not see what is added to a whole row: the key's bias has no effect.
        self.key = Linear(key.weight)
        # Attention's weights add up to 1, so the value's bias comes out as it went in.
        self.value = Linear(value.weight)
        passed_on = 0 if value.bias is None else output.weight @ value.bias
        self.output = Linear(output.weight, output.bias + passed_on)

    def rows(self, chunk: layout.Chunk) -> int:
        """The second dimension of a chunk's tensor."""
        return self._size if chunk.same_mask else len(chunk.tokens)

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        return [
            self._compute(stream, chunk, self.biases[which])
            for stream, chunk, which in zip(streams, self.chunks, self._bias_of, strict=True)
        ]

    def _compute(self, stream: Tensor, chunk: layout.Chunk, bias: Tensor) -> Tensor:
        seen = self.norm_attention(stream)
        parts = [self.query(seen), self.key(seen), self.value(seen)]
        heads = self.heads
        if not chunk.same_mask:
            # Windows side by side, as if they were heads: so each has a mask of its own.
            heads *= len(chunk.windows)
            width = len(chunk.windows) * self.channels
            parts = [part.reshape(-1, self._size, width) for part in parts]
        context: Tensor = Attention.apply(*parts, bias, heads)  # type: ignore[no-untyped-call]
        if not chunk.same_mask:
            context = context.reshape(-1, self.rows(chunk), self.channels)
        stream = stream + self.output(context)
        changed: Tensor = self.down(self.activation(self.up(self.norm_net(stream))))
        return stream + changed


def _biases(
    attention: ClapAudioSelfAttention, mask: Tensor | None, chunks: list[layout.Chunk]
) -> tuple[nn.ParameterList, list[int]]:
    """Position bias + shift mask ``(1, heads, n, n)`` of each kind of chunk; which is whose."""
    index = attention.relative_position_index
    position = attention.relative_position_bias_table[index].permute(2, 0, 1)
    found: list[Tensor] = []
    which = []
    for chunk in chunks:
        windows = chunk.windows[:1] if chunk.same_mask else chunk.windows
        parts = [position if mask is None else position + mask[window] for window in windows]
        bias = torch.cat(parts)[None]
        same = [number for number, other in enumerate(found) if torch.equal(bias, other)]
        which.append(same[0] if same else len(found))
        if not same:
            found.append(bias)
    return nn.ParameterList([constant(bias) for bias in found]), which


def _rounded_inputs(inputs: Tensor) -> Tensor:
    """To 256 steps between a tensor's extremes, 0 among them: ONNX's DynamicQuantizeLinear."""
    low, high = inputs.amin().clamp(max=0), inputs.amax().clamp(min=0)
    step = ((high - low) / 255).clamp(min=torch.finfo(inputs.dtype).tiny)
    zero = torch.round(-low / step)
    return (torch.clamp(torch.round(inputs / step) + zero, 0, 255) - zero) * step


def _rounded_weight(weight: Tensor) -> Tensor:
    """To ±127 steps of each column's own size."""
    step = weight.abs().amax(dim=0).clamp(min=torch.finfo(weight.dtype).tiny) / 127
    return torch.round(weight / step) * step


def constant(value: Tensor) -> nn.Parameter:
    """A copy that is exported under its module's name, and never trained."""
    return nn.Parameter(value.detach().clone().contiguous(), requires_grad=False)
