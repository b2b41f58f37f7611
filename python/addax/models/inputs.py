"""Checks of what a model with a declared `Input` is called with."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.ops.keras_tensor import KerasTensor


def fit_rank(x: Any, declared: KerasTensor, model_name: str) -> Any:
    """The input, with a last axis of size 1 added or dropped if that makes it the declared one.

    The size of the batch axis is not checked.

    Raises:
        ValueError: If the shapes do not fit.
    """
    expected, shape = declared.shape, x.shape
    if len(shape) == len(expected) and shape[1:] == expected[1:]:
        return x
    if len(shape) == len(expected) + 1 and shape[-1] == 1:
        x = ops.squeeze(x, axis=-1)
    elif len(shape) == len(expected) - 1 and expected[-1] == 1:
        x = ops.expand_dims(x, axis=-1)
    elif len(shape) != len(expected):
        raise ValueError(_message(shape, declared, model_name))
    for dim, size in zip(expected[1:], x.shape[1:], strict=True):
        if dim is not None and size is not None and dim != size:
            raise ValueError(_message(shape, declared, model_name))
    return x


def _message(shape: tuple, declared: KerasTensor, model_name: str) -> str:
    return (
        f"Model '{model_name}': invalid shape of input '{declared.name}'. Expected shape {declared.shape}, but input "
        f"has incompatible shape {shape}"
    )
