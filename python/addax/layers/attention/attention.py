"""Attention."""

from __future__ import annotations

from typing import Any

from addax import ops, random
from addax.layers.attention.base_attention import BaseAttention
from addax.ops.attention import attend
from addax.ops.convert import same_float_dtype
from addax.random.seed_generator import draw_seed


class Attention(BaseAttention):
    """Dot-product attention of sequences, without projections.

    Inputs are a list `[query, value]` or `[query, value, key]` of shapes `(batch, queries, dim)`, `(batch, keys,
    value_dim)` and `(batch, keys, dim)`; the key is the value if not given. The output has shape `(batch, queries,
    value_dim)`.

    Args:
        use_scale: Whether to learn a factor of the scores.
        score_mode: `"dot"`: scores are products of queries and keys; `"concat"`: sums of the hyperbolic tangent of
            query plus key, times a learned factor.
        dropout: The part of the weights to drop in training.
        seed: An int for reproducible dropout.
        **kwargs: Arguments of `Layer`.

    Call arguments:
        inputs: The list of tensors.
        mask: A list `[query_mask, value_mask]` of bools of shape `(batch, length)` (or `None`): rows of hidden queries
            are zero, hidden values are not seen.
        return_attention_scores: Whether to return the weights, shape `(batch, queries, keys)`, as a second output.
        use_causal_mask: Whether a query sees only keys up to its own position.

    Raises:
        ValueError: If the inputs are no such list, or an argument is out of its domain.

    References:
        Luong et al., https://arxiv.org/abs/1508.04025

    Example:

    >>> query, value = addax.ops.ones((2, 3, 4)), addax.ops.ones((2, 5, 4))
    >>> addax.layers.Attention()([query, value]).shape
    (2, 3, 4)
    """

    def __init__(
        self, use_scale: bool = False, score_mode: str = "dot", dropout: float = 0.0, seed: int | None = None, **kwargs
    ):
        super().__init__(**kwargs)
        self.use_scale = use_scale
        self.score_mode = score_mode
        self.dropout = dropout
        self.seed = seed
        if score_mode not in ("dot", "concat"):
            raise ValueError(
                f"Invalid value for argument score_mode. Expected one of {{'dot', 'concat'}}. Received: "
                f"score_mode={score_mode}"
            )
        if dropout > 0:
            self.seed_generator = random.SeedGenerator(seed)
        self.scale = None
        self.concat_score_weight = None
        self._supports_masking = True

    def build(self, input_shape: list) -> None:
        """Creates the learned factors."""
        self._check(input_shape)
        if self.use_scale:
            self.scale = self.add_weight(name="scale", shape=(), initializer="ones")
        if self.score_mode == "concat":
            self.concat_score_weight = self.add_weight(name="concat_score_weight", shape=(), initializer="ones")

    def _scores(self, query, key):
        """Scores of shape (batch, queries, keys)."""
        if self.score_mode == "dot":
            scores = ops.matmul(query, ops.transpose(key, (0, 2, 1)))
            return scores if self.scale is None else scores * self.scale.value
        x = ops.expand_dims(query, 2) + ops.expand_dims(key, 1)
        if self.scale is not None:
            x = x * self.scale.value
        return self.concat_score_weight.value * ops.sum(ops.tanh(x), axis=-1)

    def call(self, inputs, mask=None, training=False, return_attention_scores=False, use_causal_mask=False):
        """Returns the values weighed by attention and, if asked for, the weights."""
        self._check(inputs, mask)
        query, value = inputs[0], inputs[1]
        key = inputs[2] if len(inputs) > 2 else value
        query_mask = mask[0] if mask else None
        seen = ops.expand_dims(ops.cast(mask[1], "bool"), 1) if mask and mask[1] is not None else None
        dropout = self.dropout if training else 0.0
        weights = None
        # With both masks a query may see nothing, and then all keys, also those behind it, count alike.
        weighs = return_attention_scores or not self._fuses(query) or (use_causal_mask and seen is not None)
        if weighs or dropout == 1:
            scores = self._scores(query, key)
            if use_causal_mask:
                past = ops.expand_dims(ops.tri(query.shape[1], key.shape[1], dtype="bool"), 0)
                seen = past if seen is None else ops.logical_and(seen, past)
            weights = ops.softmax(scores if seen is None else scores + _hiding(seen, scores.dtype), axis=-1)
            if dropout > 0:
                weights = random.dropout(weights, dropout, seed=self.seed_generator)
            result = ops.matmul(weights, value)
        else:
            result = self._fused(query, key, value, seen, use_causal_mask, dropout)
        if query_mask is not None:
            result = result * ops.cast(ops.expand_dims(query_mask, -1), result.dtype)
        return (result, weights) if return_attention_scores else result

    def _fuses(self, query) -> bool:
        """Whether the scores are products that need not be in memory as a whole."""
        return self.score_mode == "dot" and query.ndim == 3

    def _fused(self, query, key, value, seen, is_causal, dropout):
        """Attention by products whose scores are made block by block."""
        if self.scale is not None:
            query = query * self.scale.value
        one_head = (ops.expand_dims(x, 2) for x in same_float_dtype(query, key, value))
        bias = None if seen is None else ops.expand_dims(_hiding(seen, "float32"), 1)
        random_key = draw_seed(self.seed_generator) if dropout > 0 else None
        result, _ = attend(*one_head, bias=bias, is_causal=is_causal, random_key=random_key, dropout=dropout)
        return ops.squeeze(result, 2)

    def compute_mask(self, inputs: list, mask: Any = None) -> Any:
        """Returns the mask of the queries."""
        self._check(inputs, mask)
        return None if mask is None or mask[0] is None else ops.convert_to_tensor(mask[0])

    def compute_output_shape(self, input_shape: list) -> tuple:
        """Returns the shape of the output."""
        return (*input_shape[0][:-1], input_shape[1][-1])

    def _check(self, inputs: Any, mask: Any = None) -> None:
        name = type(self).__name__
        if not isinstance(inputs, list):
            raise ValueError(
                f"{name} layer must be called on a list of inputs, namely [query, value] or [query, value, key]. "
                f"Received: inputs={inputs}."
            )
        if len(inputs) not in (2, 3):
            raise ValueError(
                f"{name} layer accepts inputs list of length 2 or 3, namely [query, value] or [query, value, key]. "
                f"Received length: {len(inputs)}."
            )
        if mask is None:
            return
        if not isinstance(mask, list):
            raise ValueError(
                f"{name} layer mask must be a list, namely [query_mask, value_mask]. Received: mask={mask}."
            )
        if len(mask) not in (2, 3):
            raise ValueError(f"{name} layer accepts mask list of length 2 or 3. Received: mask={mask}.")

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "use_scale": self.use_scale,
            "score_mode": self.score_mode,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def _hiding(seen, dtype: str):
    """What is added to scores, not put in their place: a query that sees nothing still has gradients, as in Keras."""
    return ops.cast(ops.logical_not(seen), dtype) * (-65504.0 if dtype == "float16" else -1e9)
