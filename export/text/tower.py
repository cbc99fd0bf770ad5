"""CLAP's text tower, re-expressed: RoBERTa and its projection, for one text and no padding."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ClapTextModelWithProjection
from transformers.models.clap.modeling_clap import ClapTextLayer

from export.block import ATTENTION_DOMAIN, Linear, constant


class SelfAttention(torch.autograd.Function):
    """ONNX's ``Attention`` (opset 23), every token on every token, with no scale of its own."""

    @staticmethod
    def forward(_context: object, query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
        """``(B, n, c)`` each → ``(B, n, c)``."""
        batch, tokens, channels = query.shape
        query, key, value = (
            part.view(batch, tokens, heads, channels // heads).transpose(1, 2)
            for part in (query, key, value)
        )
        weights = torch.softmax(query @ key.transpose(-1, -2), dim=-1)
        return (weights @ value).transpose(1, 2).reshape(batch, tokens, channels)

    @staticmethod
    def symbolic(
        graph: Any,  # noqa: ANN401 - torch's own, without types
        query: torch.Value,
        key: torch.Value,
        value: torch.Value,
        heads: int,
    ) -> torch.Value:
        """The ONNX node."""
        attributes = {"q_num_heads_i": heads, "kv_num_heads_i": heads, "scale_f": 1.0}
        node: torch.Value = graph.op(
            f"{ATTENTION_DOMAIN}::Attention", query, key, value, **attributes
        )
        return node.setType(query.type())


class TextTower(nn.Module):
    """Token ids int64 ``(1, n)``, n of any length the model takes → unit ``(1, 512)``.

    What ``ClapModel.get_text_features`` computes of one text. Raises ValueError when
    ``misfit`` names a reason.
    """

    def __init__(self, model: ClapTextModelWithProjection) -> None:
        super().__init__()
        if reason := misfit(model):
            raise ValueError(reason)
        roberta, projection = model.text_model, model.text_projection
        self.front = Front(roberta.embeddings)
        self.steps = nn.ModuleList(Block(layer) for layer in roberta.encoder.layer)
        self.pool = Linear(roberta.pooler.dense.weight, roberta.pooler.dense.bias)
        self.hidden = Linear(projection.linear1.weight, projection.linear1.bias)
        self.activation = projection.activation
        self.embedding = Linear(projection.linear2.weight, projection.linear2.bias)

    def forward(self, input_ids: Tensor) -> Tensor:
        streams = self.front(input_ids)
        for step in self.steps:
            streams = step(streams)
        pooled = torch.tanh(self.pool(streams[0][:, 0]))
        embeddings: Tensor = self.embedding(self.activation(self.hidden(pooled)))
        lengths: Tensor = embeddings.norm(dim=-1, keepdim=True)
        return embeddings / lengths.clamp(min=1e-12)


class Front(nn.Module):
    """Token ids → tokens, as a single stream."""

    def __init__(self, embeddings: Any) -> None:  # noqa: ANN401 - ClapTextEmbeddings
        super().__init__()
        self.words = constant(embeddings.word_embeddings.weight)
        # The type of every token of one text is 0: its vector is part of the position's.
        kind = embeddings.token_type_embeddings.weight[0]
        self.positions = constant(embeddings.position_embeddings.weight + kind)
        self.norm = copy.deepcopy(embeddings.LayerNorm)
        self._padding = embeddings.padding_idx

    def forward(self, input_ids: Tensor) -> list[Tensor]:
        # fairseq's make_positions: they count from the padding's id on, and a padding token,
        # which a text that says "<pad>" holds, has its position and moves no other's.
        counted = (input_ids != self._padding).long()
        places = torch.cumsum(counted, dim=1) * counted + self._padding
        words = nn.functional.embedding(input_ids, self.words)
        return [self.norm(words + nn.functional.embedding(places, self.positions))]


class Block(nn.Module):
    """A ``ClapTextLayer``: attention, then the two-layer net, a norm behind each."""

    def __init__(self, layer: ClapTextLayer) -> None:
        super().__init__()
        attention, output = layer.attention.self, layer.attention.output
        self.heads = attention.num_attention_heads
        scale = attention.attention_head_size**-0.5
        self.query = Linear(attention.query.weight * scale, attention.query.bias * scale)
        # As in the audio tower: softmax does not see the key's bias, and the value's comes out
        # as it went in.
        self.key = Linear(attention.key.weight)
        self.value = Linear(attention.value.weight)
        passed_on = output.dense.weight @ attention.value.bias
        self.output = Linear(output.dense.weight, output.dense.bias + passed_on)
        self.norm_attention = copy.deepcopy(output.LayerNorm)
        self.up = Linear(layer.intermediate.dense.weight, layer.intermediate.dense.bias)
        self.activation = layer.intermediate.intermediate_act_fn
        self.down = Linear(layer.output.dense.weight, layer.output.dense.bias)
        self.norm_net = copy.deepcopy(layer.output.LayerNorm)

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        (stream,) = streams
        parts = [self.query(stream), self.key(stream), self.value(stream)]
        context: Tensor = SelfAttention.apply(*parts, self.heads)  # type: ignore[no-untyped-call]
        stream = self.norm_attention(stream + self.output(context))
        return [self.norm_net(stream + self.down(self.activation(self.up(stream))))]


def misfit(model: ClapTextModelWithProjection) -> str | None:
    """Why the tower cannot express this model, None when it can; every released one it can."""
    config = model.config
    if config.position_embedding_type != "absolute":
        return f"position embeddings of type {config.position_embedding_type!r}"
    if config.is_decoder or config.add_cross_attention:
        return "a decoder"
    return None
