"""Embedding."""

from __future__ import annotations

import warnings
from typing import Any

from addax import constraints, initializers, ops, regularizers
from addax.layers.layer import Layer


class Embedding(Layer):
    """A table of vectors: each integer of the input picks one.

    Args:
        input_dim: Number of rows of the table; inputs are integers from 0 to `input_dim - 1`.
        output_dim: Length of the vectors.
        embeddings_initializer: First value of `embeddings`, shape `(input_dim, output_dim)`.
        embeddings_regularizer: Penalty on `embeddings`.
        embeddings_constraint: Projection of `embeddings` after every update.
        mask_zero: Whether 0 is padding: the output carries a mask that is false there.
        weights: The table as an array, or a list of it; in place of the initializer.
        lora_rank: Not supported; must be `None`.
        lora_alpha: Not supported; must be `None`.
        quantization_config: Not supported; must be `None`.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, ...)` give outputs of shape `(batch, ..., output_dim)`. An integer out of range is an
    error; Keras on JAX returns NaN there.

    Raises:
        ValueError: If a size is not a positive integer, or an argument is not supported.

    Example:

    >>> layer = addax.layers.Embedding(3, 2, weights=[[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> import numpy as np
    >>> layer(np.array([[2, 1]])).tolist()
    [[[2.0, 2.0], [1.0, 1.0]]]
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        lora_rank: int | None = None,
        lora_alpha: float | None = None,
        quantization_config: Any = None,
        **kwargs,
    ):
        if "input_length" in kwargs:
            kwargs.pop("input_length")
            warnings.warn("Argument `input_length` is deprecated. Just remove it.", stacklevel=2)
        super().__init__(autocast=False, **kwargs)
        for key, value in {"input_dim": input_dim, "output_dim": output_dim}.items():
            if not isinstance(value, int) or value <= 0:
                raise ValueError(
                    f"`{key}` must be a positive integer. Received: {key}={value} (of type {type(value).__name__})."
                )
        for key, value in {
            "lora_rank": lora_rank,
            "lora_alpha": lora_alpha,
            "quantization_config": quantization_config,
        }.items():
            if value is not None:
                raise ValueError(f"Embedding: `{key}` is not supported, it must be None. Received: {key}={value}")
        self.input_dim = input_dim
        self.output_dim = output_dim
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = mask_zero
        self._supports_masking = mask_zero
        if weights is not None:
            self.build()
            table = weights[0] if isinstance(weights, (list, tuple)) and len(weights) == 1 else weights
            self.embeddings.assign(ops.convert_to_tensor(table, self.variable_dtype))

    def build(self, input_shape: Any = None) -> None:
        """Creates `embeddings`; the shape of the input does not matter."""
        if self.built:
            return
        self.embeddings = self.add_weight(
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
            name="embeddings",
        )

    def call(self, inputs):
        """Returns the rows of the table that the inputs name."""
        if inputs.dtype not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        return ops.cast(ops.take(self.embeddings.value, inputs, axis=0), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns where the inputs are not 0, if that is padding."""
        return ops.not_equal(inputs, 0) if self.mask_zero else None

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "activity_regularizer": regularizers.serialize(self.activity_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
            "mask_zero": self.mask_zero,
            "quantization_config": None,
        }
