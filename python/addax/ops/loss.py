"""Crossentropies of each example, and the peak signal-to-noise ratio. The Loss classes are in `addax.losses`."""

from __future__ import annotations

import math
from typing import Any

from addax import config
from addax.dtypes import INT_DTYPES
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor, axis_of, cast, same_float_dtype, scalar_like, to_float
from addax.ops.operation import op


def _clipped(x: Tensor) -> Tensor:
    """Probabilities kept away from 0 and 1, where the logarithm ends."""
    epsilon = config.epsilon()
    return apply("clip", x, scalar_like(epsilon, x.dtype), scalar_like(1.0 - epsilon, x.dtype))


def _same_shape(target: Tensor, output: Tensor, name: str) -> None:
    if target.shape != output.shape:
        raise ValueError(f"{name}: target and output must have the same shape, got {target.shape} and {output.shape}")


@op("nn.BinaryCrossentropy")
def binary_crossentropy(target, output, from_logits=False) -> Tensor:
    """The crossentropy of yes-or-no targets, element by element.

    Args:
        target: Probabilities that are right, usually 0 or 1.
        output: Predicted probabilities, or logits.
        from_logits: Whether `output` is logits.

    Returns:
        A tensor of the same shape, floating.

    Raises:
        ValueError: If the shapes differ.

    Example:

    >>> addax.ops.binary_crossentropy([1.0], [0.0], from_logits=True).tolist()
    [0.6931471824645996]
    """
    target, output = same_float_dtype(target, output)
    _same_shape(target, output, "binary_crossentropy")
    if from_logits:
        return apply("sigmoid_cross_entropy", output, target)
    p = _clipped(output)
    return -(target * apply("log", p) + (1 - target) * apply("log", 1 - p))


def _last(x: Tensor, axis: int) -> Tensor:
    """Moves an axis to the end."""
    if axis == x.ndim - 1:
        return x
    return apply("transpose", x, axes=(*[a for a in range(x.ndim) if a != axis], axis))


def _normalized(x: Tensor) -> Tensor:
    """Probabilities along the last axis, made to sum to one."""
    return x / apply("sum", x, axes=(x.ndim - 1,), keepdims=True)


@op("nn.CategoricalCrossentropy")
def categorical_crossentropy(target, output, from_logits=False, axis=-1) -> Tensor:
    """The crossentropy of classes, given as probabilities.

    Args:
        target: Probabilities that are right, usually one-hot.
        output: Predicted probabilities (scaled to sum to one), or logits.
        from_logits: Whether `output` is logits.
        axis: The axis of the classes.

    Returns:
        A tensor without that axis, floating.

    Raises:
        ValueError: If the shapes differ or there is no axis.

    Example:

    >>> addax.ops.categorical_crossentropy([[0.0, 1.0]], [[0.5, 0.5]]).tolist()
    [0.6931471824645996]
    """
    target, output = same_float_dtype(target, output)
    _same_shape(target, output, "categorical_crossentropy")
    if target.ndim < 1:
        raise ValueError("categorical_crossentropy: expected tensors of rank 1 or more, got 0-d tensors")
    axis = axis_of(axis, output.ndim, "categorical_crossentropy")
    target, output = _last(target, axis), _last(output, axis)
    if from_logits:
        return apply("softmax_cross_entropy", output, target)
    p = _clipped(_normalized(output))
    return -apply("sum", target * apply("log", p), axes=(output.ndim - 1,))


@op("nn.SparseCategoricalCrossentropy")
def sparse_categorical_crossentropy(target, output, from_logits=False, axis=-1) -> Tensor:
    """The crossentropy of classes, given as numbers.

    Args:
        target: Class numbers, in the shape of `output` without the axis of the classes (or with size 1 there).
        output: Predicted probabilities (scaled to sum to one), or logits.
        from_logits: Whether `output` is logits.
        axis: The axis of the classes.

    Returns:
        A tensor without that axis, floating.

    Raises:
        ValueError: If the shapes do not fit.
        IndexError: If a class number is out of range.

    Example:

    >>> addax.ops.sparse_categorical_crossentropy([1], [[0.5, 0.5]]).tolist()
    [0.6931471824645996]
    """
    name = "sparse_categorical_crossentropy"
    output, target = to_float(output), _labels(target)
    if output.ndim < 1:
        raise ValueError(f"{name}: expected an output of rank 1 or more, got a 0-d tensor")
    axis = axis_of(axis, output.ndim, name)
    output = _last(output, axis)
    if target.ndim == output.ndim and target.shape[-1] == 1:
        target = apply("reshape", target, shape=target.shape[:-1])
    if target.shape != output.shape[:-1]:
        raise ValueError(
            f"{name}: target must have the shape of output without the axis of the classes, got {target.shape} and "
            f"{output.shape}"
        )
    if from_logits:
        return apply("sparse_softmax_cross_entropy", output, target)
    p = _clipped(_normalized(output))
    chosen = apply("take_along_axis", p, apply("reshape", target, shape=(*target.shape, 1)), axis=p.ndim - 1)
    return -apply("reshape", apply("log", chosen), shape=target.shape)


def _labels(target: Any) -> Tensor:
    target = as_tensor(target)
    return target if target.dtype in INT_DTYPES else cast(target, "int32")


@op("nn.PSNR", inputs="x1 x2")
def psnr(x1, x2, max_val) -> Tensor:
    """The peak signal-to-noise ratio of two images, in decibels.

    Args:
        x1: Input tensor.
        x2: Input tensor of the same shape.
        max_val: The largest value that a pixel may have.

    Returns:
        A 0-d tensor, floating; infinite for equal images.

    Raises:
        ValueError: If the shapes differ.

    Example:

    >>> addax.ops.psnr([0.0], [1.0], max_val=10.0).item()
    20.0
    """
    x1, x2 = same_float_dtype(x1, x2)
    if x1.shape != x2.shape:
        raise ValueError(f"psnr: the images must have the same shape, got {x1.shape} and {x2.shape}")
    mse = apply("sum", apply("square", x1 - x2)) / max(x1.size, 1)
    return 20 * math.log10(max_val) - apply("log", mse) * (10 / math.log(10))
