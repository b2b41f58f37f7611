"""MultiHeadAttention."""

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

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


class MultiHeadAttention(ProjectedAttention):
    """Attention in several subspaces at once, between learned projections.

    Query, value and key have shapes `(batch, queries, dim)`, `(batch, keys, value_dim)` and `(batch, keys, key_dim)`,
    or more axes of positions. The output has the shape of the query, or its last axis as `output_shape` says.

    Args:
        num_heads: Number of heads.
        key_dim: Size of a head of queries and keys.
        value_dim: Size of a head of values; `None`: `key_dim`.
        dropout: The part of the weights to drop in training.
        use_bias: Whether the projections add biases.
        output_shape: Shape behind the positions of the output; `None`: that of the query.
        attention_axes: Axes of positions that attend to each other; `None`: all between the first and the last.
        sliding_window: A query sees keys nearer than this many positions; `None`: all.
        flash_attention: Must not be true together with dropout; attention without scores is always fused.
        kernel_initializer: First value of the projections' kernels.
        bias_initializer: First value of their biases.
        kernel_regularizer: Penalty on the kernels.
        bias_regularizer: Penalty on the biases.
        activity_regularizer: Penalty on the outputs of the projections.
        kernel_constraint: Projection of the kernels after every update.
        bias_constraint: Projection of the biases after every update.
        use_gate: Whether the heads' results are multiplied with a sigmoid of a projection of the query.
        seed: An int for reproducible dropout.
        **kwargs: Arguments of `Layer`.

    Call arguments:
        query: The query.
        value: The value.
        key: The key; `None`: the value.
        query_mask: Bools `(batch, queries)`: false sees nothing; passed on to the output. (Keras applies only a mask
            that the query carries.)
        value_mask: Bools `(batch, keys)`: false is not seen.
        key_mask: The same.
        attention_mask: Bools broadcast to `(batch, queries, keys)`.
        return_attention_scores: Whether to return the weights, shape `(batch, heads, queries, keys)`, as a second
            output.
        use_causal_mask: Whether a query sees only keys up to its own position.

    Raises:
        ValueError: If an argument is out of its domain or shapes do not fit.

    References:
        Vaswani et al., https://arxiv.org/abs/1706.03762

    Example:

    >>> layer = addax.layers.MultiHeadAttention(num_heads=2, key_dim=4)
    >>> x = addax.ops.ones((1, 3, 6))
    >>> layer(x, x).shape
    (1, 3, 6)
    """

    def __init__(
        self,
        num_heads: int,
        key_dim: int,
        value_dim: int | None = None,
        dropout: float = 0.0,
        use_bias: bool = True,
        output_shape: Any = None,
        attention_axes: Any = None,
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
        positive("num_heads", num_heads)
        positive("key_dim", key_dim)
        if output_shape is not None and not isinstance(output_shape, (int, list, tuple)):
            raise ValueError(
                f"Invalid `output_shape`: {output_shape}. When specified, the `output_shape` should be of type tuple, "
                "list, or int."
            )
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
        self.num_heads = num_heads
        self.key_dim = key_dim
        self.value_dim = value_dim if value_dim else key_dim
        self._output_shape = (output_shape,) if isinstance(output_shape, int) else output_shape
        self._attention_axes = (attention_axes,) if isinstance(attention_axes, int) else attention_axes

    @property
    def dropout(self) -> float:
        """The part of the weights to drop in training."""
        return self._dropout

    @property
    def use_bias(self) -> bool:
        """Whether the projections add biases."""
        return self._use_bias

    @property
    def attention_axes(self) -> Any:
        """Axes of positions that attend to each other; set when the layer is built."""
        return self._attention_axes

    def build(self, query_shape: tuple, value_shape: tuple, key_shape: tuple | None = None) -> None:
        """Creates the projections."""
        check_lengths(value_shape, key_shape)
        key_shape = value_shape if key_shape is None else key_shape
        rank = len(query_shape)
        if self._attention_axes is None:
            self._attention_axes = tuple(range(1, rank - 1))
        else:
            self._attention_axes = tuple(axis % rank for axis in self._attention_axes)

        def projection(shape, dim, name):
            n = len(shape)
            x, heads = _LETTERS[:n], _LETTERS[n : n + 2]
            layer = self._dense(
                f"{x},{x[-1]}{heads}->{x[:-1]}{heads}", (*[None] * (n - 2), self.num_heads, dim), heads, name
            )
            layer.build(shape)
            return layer

        self.query_dense = projection(query_shape, self.key_dim, "query")
        self.key_dense = projection(key_shape, self.key_dim, "key")
        self._gate_dense = projection(query_shape, self.value_dim, "gate") if self.use_gate else None
        self.value_dense = projection(value_shape, self.value_dim, "value")
        self._make_dropout()
        shape = tuple(self._output_shape or (query_shape[-1],))
        x, out = _LETTERS[: rank + 1], _LETTERS[rank + 1 : rank + 1 + len(shape)]
        self.output_dense = self._dense(
            f"{x},{x[-2:]}{out}->{x[:-2]}{out}", (*[None] * (rank - 2), *shape), out, "attention_output"
        )
        self.output_dense.build((*query_shape[:-1], self.num_heads, self.value_dim))

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
        positions = tuple(query.shape[axis] for axis in self._attention_axes)
        key_positions = tuple(key.shape[axis] for axis in self._attention_axes)
        mask = self._mask(query, key, query_mask, value_mask, key_mask, attention_mask)
        gate = None if self._gate_dense is None else ops.sigmoid(self._gate_dense(query))
        query, key, value = self.query_dense(query), self.key_dense(key), self.value_dense(value)
        weights = None
        if query.ndim == 4 and self._fuses(return_attention_scores, training):
            x = self._fused(query, key, value, mask, use_causal_mask, training)
        else:
            if use_causal_mask:
                past = ops.tri(math.prod(positions), math.prod(key_positions), dtype="bool")
                mask = both(mask, ops.reshape(past, (*positions, *key_positions)))
            x, weights = self._weigh(query, key, value, mask, training)
        if gate is not None:
            x = x * gate
        x = self.output_dense(x)
        return (x, weights) if return_attention_scores else x

    def _mask(self, query, key, query_mask, value_mask, key_mask, attention_mask) -> Any:
        """All masks but the causal one, broadcast against (..., heads, positions of queries, of keys)."""
        n = len(self._attention_axes)
        mask = None
        if query_mask is not None:  # (batch, queries)
            query_mask = ops.cast(query_mask, "bool")
            mask = ops.expand_dims(query_mask, (1, *range(query_mask.ndim + 1, 2 * n + 2)))
        for given in (value_mask, key_mask):
            if given is not None:  # (batch, keys)
                given = ops.cast(given, "bool")
                mask = both(mask, ops.expand_dims(given, tuple(range(1, 2 * n + 3 - given.ndim))))
        if attention_mask is not None:
            attention_mask = ops.cast(attention_mask, "bool")
            if attention_mask.ndim == 2 * n + 1:
                attention_mask = ops.expand_dims(attention_mask, -2 * n - 1)
            mask = both(mask, attention_mask)
        if n == 1:
            axis = self._attention_axes[0]
            mask = both(mask, self._window(query.shape[axis], key.shape[axis]))
        return mask

    def _weigh(self, query, key, value, mask, training) -> tuple[Any, Any]:
        """Attention step by step over any axes: the result and the weights."""
        rank, axes = query.ndim, self._attention_axes
        q = _LETTERS[:rank]
        keys = dict(zip(axes, _LETTERS[rank : rank + len(axes)], strict=True))
        k = "".join(keys.get(i, q[i]) for i in range(rank))
        v = k[:-1] + _LETTERS[rank + len(axes)]
        batch = "".join(q[i] for i in range(rank - 2) if i not in axes)
        s = batch + q[-2] + "".join(q[i] for i in axes) + "".join(keys.values())
        scores = ops.einsum(f"{q},{k}->{s}", query * (1 / math.sqrt(self.key_dim)), key)
        last = -1 if len(axes) == 1 else tuple(range(-len(axes), 0))
        weights = masked_softmax(scores, mask, last)
        dropped = self._dropout_layer(weights, training=training) if self._dropout > 0 else weights
        return ops.einsum(f"{s},{v}->{q[:-1]}{v[-1]}", dropped, value), weights

    def compute_output_shape(self, query_shape: tuple, value_shape: tuple, key_shape: tuple | None = None) -> tuple:
        """Returns the shape of the output."""
        check_lengths(value_shape, key_shape)
        return (*query_shape[:-1], *(self._output_shape or (query_shape[-1],)))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            "key_dim": self.key_dim,
            "value_dim": self.value_dim,
            "dropout": self._dropout,
            "use_bias": self._use_bias,
            "use_gate": self.use_gate,
            "output_shape": self._output_shape,
            "attention_axes": self._attention_axes,
            "sliding_window": self.sliding_window,
            **self._common_config(),
        }
