"""Small conversions of data before training: class numbers to one-hot rows, rows to unit length."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_categorical(x: Any, num_classes: int | None = None) -> Any:
    """Turns class numbers into one-hot rows.

    Args:
        x: Integers from 0 to `num_classes - 1`, an array or nested list of any shape. A last axis of size 1 is dropped.
        num_classes: Number of classes; `None` takes the largest of `x` plus 1.

    Returns:
        A NumPy array of shape `x.shape + (num_classes,)`; a Tensor of float32 if `x` is a Tensor.

    Raises:
        ValueError: If a class number is not below `num_classes`.

    Example:

    >>> addax.utils.to_categorical([0, 2])
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    from addax import engine, ops

    classes = np.asarray(x, dtype="int64")
    if classes.ndim > 1 and classes.shape[-1] == 1:
        classes = classes[..., 0]
    if num_classes is None:
        num_classes = int(classes.max()) + 1 if classes.size else 0
    if classes.size and (classes.max() >= num_classes or classes.min() < -num_classes):
        wrong = classes.max() if classes.max() >= num_classes else classes.min()
        raise ValueError(
            f"to_categorical: expected class numbers from 0 to {num_classes - 1} (num_classes={num_classes}), "
            f"found {wrong}"
        )
    rows = np.zeros((*classes.shape, num_classes))
    np.put_along_axis(rows, classes[..., None] % max(num_classes, 1), 1.0, axis=-1)
    return ops.convert_to_tensor(rows, dtype="float32") if isinstance(x, engine.Tensor) else rows


def normalize(x: Any, axis: int = -1, order: int = 2) -> Any:
    """Scales vectors to length 1; those of length 0 stay 0.

    Args:
        x: Numbers of any shape, an array, nested list or Tensor.
        axis: The axis along which a vector lies.
        order: Which norm, at least 1: 2 is the Euclidean length.

    Returns:
        An array like `x`; a Tensor if `x` is one.

    Raises:
        ValueError: If `order` is not an integer of at least 1.

    Example:

    >>> addax.utils.normalize([[3.0, 4.0], [0.0, 0.0]])
    array([[0.6, 0.8],
           [0. , 0. ]])
    """
    from addax import engine, ops

    if not isinstance(order, int) or order < 1:
        raise ValueError(f"Argument `order` must be an int >= 1. Received: order={order}")
    values = np.asarray(x)
    if values.dtype.kind not in "fc":
        values = values.astype("float64")
    values = np.atleast_1d(values)
    length = np.linalg.norm(values, ord=order, axis=axis, keepdims=True)
    scaled = values / np.where(length == 0, 1, length)
    if values.ndim == 1:
        scaled = scaled[None]
    return ops.convert_to_tensor(scaled) if isinstance(x, engine.Tensor) else scaled
