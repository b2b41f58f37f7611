"""ProjectedAttention: what the attention layers with learned projections and heads share."""

from __future__ import annotations

import math
from typing import Any

from addax import constraints, initializers, ops, regularizers
from addax.layers.attention.base_attention import BaseAttention
from addax.layers.core.einsum_dense import EinsumDense
from addax.layers.regularization.dropout import Dropout
from addax.ops.attention import MASKED, attend
from addax.random.seed_generator import draw_seed


class ProjectedAttention(BaseAttention):
    """Arguments, masks and configs of `MultiHeadAttention` and `GroupedQueryAttention`.

    Args:
        dropout: The part of the weights to drop in training.
        use_bias: Whether the projections add biases.
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
    """

    # Parts that weights files keep under these names, although they are private.
    _saved_parts = ("_dropout_layer", "_gate_dense")

    def __init__(
        self,
        *,
        dropout: float,
        use_bias: bool,
        sliding_window: int | None,
        flash_attention: bool | None,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        use_gate: bool,
        seed: int | None,
        **kwargs,
    ):
        if sliding_window is not None and (not isinstance(sliding_window, int) or sliding_window <= 0):
            raise ValueError(
                f"`sliding_window` must be `None` or a positive integer. Received: sliding_window={sliding_window}"
            )
        if flash_attention and dropout > 0:
            raise ValueError(
                "Dropout is not supported when flash attention is enabled. Please set dropout to 0.0 to use flash "
                "attention."
            )
        super().__init__(**kwargs)
        self._dropout = dropout
        self._use_bias = use_bias
        self.use_gate = use_gate
        self.sliding_window = sliding_window
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self._activity_regularizer = regularizers.get(activity_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.seed = seed
        self._supports_masking = True

    def _dense(self, equation: str, shape: tuple, bias_axes: str, name: str) -> EinsumDense:
        """One projection, with an initializer of its own."""
        options = {
            key: type(value).from_config(value.get_config()) if hasattr(value, "get_config") else value
            for key, value in (
                ("kernel_initializer", self.kernel_initializer),
                ("bias_initializer", self.bias_initializer),
            )
        }
        layer = EinsumDense(
            equation,
            output_shape=shape,
            bias_axes=bias_axes if self._use_bias else None,
            kernel_regularizer=self.kernel_regularizer,
            bias_regularizer=self.bias_regularizer,
            activity_regularizer=self._activity_regularizer,
            kernel_constraint=self.kernel_constraint,
            bias_constraint=self.bias_constraint,
            dtype=self.dtype_policy,
            name=name,
            **options,
        )
        layer.supports_masking = True  # the masks of its inputs are dealt with here
        return layer

    def _make_dropout(self) -> None:
        self._dropout_layer = Dropout(self._dropout, dtype=self.dtype_policy, seed=self.seed, name="dropout")

    def _fuses(self, return_attention_scores: bool, training: bool | None) -> bool:
        """Whether nobody needs the weights themselves."""
        return not (return_attention_scores or (training and self._dropout == 1))

    def _fused(self, query: Any, key: Any, value: Any, mask: Any, is_causal: bool, training: bool | None) -> Any:
        """Attention whose scores are made block by block."""
        drops = training and self._dropout > 0
        x, largest = attend(
            query,
            key,
            value,
            mask=mask,
            scale=1 / math.sqrt(query.shape[-1]),
            is_causal=is_causal,
            random_key=draw_seed(self._dropout_layer.seed_generator) if drops else None,
            dropout=self._dropout if drops else 0.0,
        )
        if self._dropout == 0 or mask is None:
            return x
        # In Keras a query that sees nothing gets zeros from a layer with dropout, and the mean of all from one without.
        sees = ops.expand_dims(ops.transpose(largest, (0, 2, 1)) > MASKED, -1)
        return ops.where(sees, x, ops.zeros((), x.dtype))

    def _window(self, queries: int, keys: int) -> Any:
        """Bools (queries, keys) of the sliding window, or `None`."""
        if self.sliding_window is None:
            return None
        distance = ops.expand_dims(ops.arange(queries), 1) - ops.expand_dims(ops.arange(keys), 0)
        return ops.less(ops.absolute(distance), self.sliding_window)

    def _common_config(self) -> dict:
        return {
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "activity_regularizer": regularizers.serialize(self._activity_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "seed": self.seed,
        }


def both(a: Any, b: Any) -> Any:
    """Where both masks are true; `None` is true everywhere."""
    if a is None or b is None:
        return b if a is None else a
    return ops.logical_and(a, b)


def masked_softmax(scores: Any, mask: Any, axis: Any) -> Any:
    """Softmax over what the mask shows; a row without any is zero."""
    if mask is None:
        return ops.softmax(scores, axis=axis)
    low = -3e4 if scores.dtype == "float16" else -1e30
    return ops.where(mask, ops.softmax(ops.where(mask, scores, low), axis=axis), 0.0)


def positive(name: str, value: Any) -> Any:
    """The value, if it is a positive int."""
    if not isinstance(value, int) or value <= 0:
        raise ValueError(
            f"Received an invalid value for argument `{name}`, expected a positive integer. Received: {name}={value}"
        )
    return value


def check_lengths(value_shape: tuple, key_shape: tuple | None) -> None:
    """Values and keys come in pairs."""
    if key_shape is not None and tuple(value_shape[1:-1]) != tuple(key_shape[1:-1]):
        raise ValueError(
            "All dimensions of `value` and `key`, except the last one, must be equal. Received: "
            f"value_shape={value_shape} and key_shape={key_shape}"
        )
