"""GroupedQueryAttention."""

from __future__ import annotations

import math
from typing import Any

from addax import ops
from addax.layers.attention.projected_attention import (
    ProjectedAttention,
    both,
    check_lengths,
    masked_softmax,
    positive,
)


class GroupedQueryAttention(ProjectedAttention):
    """Multi-head attention in which several heads of queries share one head of keys and values.

    Query, value and key have shapes `(batch, queries, dim)`, `(batch, keys, value_dim)` and `(batch, keys, key_dim)`;
    the output has the shape of the query.

    Args:
        head_dim: Size of a head.
        num_query_heads: Number of heads of queries.
        num_key_value_heads: Number of heads of keys and values; must divide that.
        dropout: The part of the weights to drop in training.
        use_bias: Whether the projections add biases.
        sliding_window: A query sees keys nearer than this many positions; `None`: all.
        flash_attention: Must not be true together with dropout; attention without scores is always fused.
        kernel_initializer: First value of the projections' kernels.
        bias_initializer: First value of their biases.
        kernel_regularizer: Penalty on the kernels.
        bias_regularizer: Penalty on the biases.
        activity_regularizer: Penalty on the outputs of the projections and of the layer.
        kernel_constraint: Projection of the kernels after every update.
        bias_constraint: Projection of the biases after every update.
        use_gate: Whether the heads' results are multiplied with a sigmoid of a projection of the query.
        seed: An int for reproducible dropout.
        **kwargs: Arguments of `Layer`.

    Call arguments:
        query: The query.
        value: The value.
        key: The key; `None`: the value.
        query_mask: Bools `(batch, queries)`: false sees nothing; passed on to the output.
        value_mask: Bools `(batch, keys)`: false is not seen.
        key_mask: The same.
        attention_mask: Bools broadcast to `(batch, queries, keys)`.
        return_attention_scores: Whether to return the weights, shape `(batch, heads, queries, keys)`, as a second
            output.
        use_causal_mask: Whether a query sees only keys up to its own position.

    Raises:
        ValueError: If an argument is out of its domain or shapes do not fit.

    References:
        Ainslie et al., https://arxiv.org/abs/2305.13245

    Example:

    >>> layer = addax.layers.GroupedQueryAttention(head_dim=4, num_query_heads=4, num_key_value_heads=2)
    >>> x = addax.ops.ones((1, 3, 6))
    >>> layer(x, x).shape
    (1, 3, 6)
    """

    _keras_name = "GroupQueryAttention"
    _saved_parts = (
        *ProjectedAttention._saved_parts,
        "_key_dense",
        "_output_dense",
        "_query_dense",
        "_value_dense",
    )

    def __init__(
        self,
        head_dim: int,
        num_query_heads: int,
        num_key_value_heads: int,
        dropout: float = 0.0,
        use_bias: bool = True,
        sliding_window: int | None = None,
        flash_attention: bool | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        use_gate: bool = False,
        seed: int | None = None,
        **kwargs,
    ):
        positive("head_dim", head_dim)
        positive("num_query_heads", num_query_heads)
        positive("num_key_value_heads", num_key_value_heads)
        if num_query_heads % num_key_value_heads:
            raise ValueError("`num_query_heads` must be divisible by `num_key_value_heads`.")
        super().__init__(
            dropout=dropout,
            use_bias=use_bias,
            sliding_window=sliding_window,
            flash_attention=flash_attention,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            activity_regularizer=activity_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
            use_gate=use_gate,
            seed=seed,
            **kwargs,
        )
        self.head_dim = head_dim
        self.num_query_heads = num_query_heads
        self.num_key_value_heads = num_key_value_heads
        self.activity_regularizer = self._activity_regularizer
        self.dropout = dropout
        self.use_bias = use_bias

    def build(self, query_shape: tuple, value_shape: tuple, key_shape: tuple | None = None) -> None:
        """Creates the projections."""
        check_lengths(value_shape, key_shape)

        def projection(equation, shape, heads, name):
            layer = self._dense(equation, (None, heads, self.head_dim), equation[-2:], name)
            layer.build(shape)
            return layer

        heads = self.num_query_heads
        self._query_dense = projection("bqm,muh->bquh", query_shape, heads, "query")
        self._key_dense = projection("bkm,mvh->bkvh", key_shape or value_shape, self.num_key_value_heads, "key")
        self._gate_dense = projection("bqm,muh->bquh", query_shape, heads, "gate") if self.use_gate else None
        self._value_dense = projection("bkm,mvh->bkvh", value_shape, self.num_key_value_heads, "value")
        self._make_dropout()
        self._output_dense = self._dense("bquh,uhm->bqm", (None, query_shape[-1]), "m", "attention_output")
        self._output_dense.build((*query_shape[:-1], heads, self.head_dim))

    def call(
        self,
        query,
        value,
        key=None,
        query_mask=None,
        value_mask=None,
        key_mask=None,
        attention_mask=None,
        return_attention_scores=False,
        training=None,
        use_causal_mask=False,
    ):
        """Returns the output and, if asked for, the weights."""
        key = value if key is None else key
        mask = self._mask(query_mask, value_mask, key_mask, attention_mask)
        mask = both(mask, self._window(query.shape[1], key.shape[1]))
        gate = None if self._gate_dense is None else ops.sigmoid(self._gate_dense(query))
        query, key, value = self._query_dense(query), self._key_dense(key), self._value_dense(value)
        weights = None
        if self._fuses(return_attention_scores, training):
            x = self._fused(query, key, value, mask, use_causal_mask, training)
        else:
            if use_causal_mask:
                mask = both(mask, ops.tri(query.shape[1], key.shape[1], dtype="bool"))
            x, weights = self._weigh(query, key, value, mask, training)
        if gate is not None:
            x = x * gate
        x = self._output_dense(x)
        return (x, weights) if return_attention_scores else x

    def _mask(self, query_mask, value_mask, key_mask, attention_mask) -> Any:
        """All masks but the causal one and the window, broadcast against (batch, heads, queries, keys)."""
        mask = None
        for given, axes in ((query_mask, (1, 3)), (value_mask, (1, 2)), (key_mask, (1, 2))):
            if given is not None:
                mask = both(mask, ops.expand_dims(ops.cast(given, "bool"), axes))
        if attention_mask is not None:
            attention_mask = ops.cast(attention_mask, "bool")
            mask = both(mask, ops.expand_dims(attention_mask, 1) if attention_mask.ndim == 3 else attention_mask)
        return mask

    def _weigh(self, query, key, value, mask, training) -> tuple[Any, Any]:
        """Attention step by step: the result and the weights."""
        shared = self.num_query_heads // self.num_key_value_heads
        if shared > 1:
            key, value = ops.repeat(key, shared, axis=2), ops.repeat(value, shared, axis=2)
        scores = ops.einsum("bquh,bkuh->buqk", query * (1 / math.sqrt(self.head_dim)), key)
        weights = masked_softmax(scores, mask, -1)
        dropped = self._dropout_layer(weights, training=training) if self.dropout > 0 else weights
        return ops.einsum("buqk,bkuh->bquh", dropped, value), weights

    def compute_output_shape(self, query_shape: tuple, value_shape: tuple, key_shape: tuple | None = None) -> tuple:
        """Returns the shape of the query."""
        check_lengths(value_shape, key_shape)
        return tuple(query_shape)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "head_dim": self.head_dim,
            "num_query_heads": self.num_query_heads,
            "num_key_value_heads": self.num_key_value_heads,
            "use_bias": self.use_bias,
            "use_gate": self.use_gate,
            "sliding_window": self.sliding_window,
            "dropout": self.dropout,
            **self._common_config(),
        }
