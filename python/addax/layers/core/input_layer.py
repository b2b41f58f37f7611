"""Input and InputLayer: where a graph of layers begins."""

from __future__ import annotations

from typing import Any

from addax.dtypes import standardize_dtype
from addax.layers.layer import Layer
from addax.ops.keras_tensor import KerasTensor, standardize_shape
from addax.ops.node import Node


class InputLayer(Layer):
    """The layer behind `Input`: it computes nothing, its output is the symbolic input.

    Args:
        shape: Shape without the batch axis; `None` for dims that are not known.
        batch_size: Size of the batch axis, if it is fixed.
        dtype: Dtype of the input, `floatx()` if not given.
        sparse: Not supported; must be false.
        ragged: Not supported; must be false.
        batch_shape: Shape with the batch axis, in place of `shape` and `batch_size`.
        input_tensor: A KerasTensor to use as the input, in place of a shape.
        optional: Whether the input may be `None`.
        name: A name, made up if not given.

    Raises:
        ValueError: If there is no shape or more than one.

    Example:

    >>> layer = addax.layers.InputLayer((3,), name="x")
    >>> layer.output.shape
    (None, 3)
    """

    def __init__(
        self,
        shape: Any = None,
        batch_size: int | None = None,
        dtype: str | None = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Any = None,
        input_tensor: KerasTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs,
    ):
        if sparse or ragged:
            raise ValueError(f"Input: only dense tensors are supported. Received: sparse={sparse}, ragged={ragged}")
        super().__init__(name=name, **kwargs)
        if input_tensor is not None:
            if not isinstance(input_tensor, KerasTensor):
                raise ValueError(
                    "Argument `input_tensor` must be a KerasTensor. "
                    f"Received invalid type: input_tensor={input_tensor} (of type {type(input_tensor)})"
                )
            if dtype is not None and standardize_dtype(dtype) != input_tensor.dtype:
                raise ValueError(
                    f"Input: the tensor has dtype {input_tensor.dtype}, which differs from the given dtype={dtype}"
                )
            output = input_tensor
        else:
            if shape is not None and batch_shape is not None:
                raise ValueError("You cannot pass both `shape` and `batch_shape` at the same time.")
            if batch_size is not None and batch_shape is not None:
                raise ValueError("You cannot pass both `batch_size` and `batch_shape` at the same time.")
            if shape is None and batch_shape is None:
                raise ValueError("You must pass a `shape` argument.")
            if batch_shape is None:
                batch_shape = (batch_size, *standardize_shape(shape))
            output = KerasTensor(batch_shape, dtype=standardize_dtype(dtype), name=self.name)
        self._batch_shape = output.shape
        self._dtype = output.dtype
        self.optional = optional
        self.built = True
        Node(self, outputs=output)

    @property
    def dtype(self) -> str:
        """The dtype of the input."""
        return self._dtype

    @property
    def batch_shape(self) -> tuple:
        """The shape of the input, with the batch axis."""
        return self._batch_shape

    def call(self):
        """Computes nothing."""

    def get_config(self) -> dict:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
            "optional": self.optional,
        }


def Input(
    shape: Any = None,
    batch_size: int | None = None,
    dtype: str | None = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Any = None,
    name: str | None = None,
    tensor: KerasTensor | None = None,
    optional: bool = False,
) -> KerasTensor:
    """Returns a symbolic input from which a model's graph is built.

    Args:
        shape: Shape without the batch axis; `None` for dims that are not known.
        batch_size: Size of the batch axis, if it is fixed.
        dtype: Dtype of the input, `floatx()` if not given.
        sparse: Not supported; must be false.
        ragged: Not supported; must be false.
        batch_shape: Shape with the batch axis, in place of `shape` and `batch_size`.
        name: A name, made up if not given.
        tensor: A KerasTensor to use as the input, in place of a shape.
        optional: Whether the input may be `None`.

    Returns:
        A `KerasTensor`.

    Raises:
        ValueError: If there is no shape or more than one.

    Example:

    >>> addax.Input((28, 28, 1)).shape
    (None, 28, 28, 1)
    """
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        name=name,
        input_tensor=tensor,
        optional=optional,
    )
    return layer.output
