"""Cropping1D."""

from __future__ import annotations

from typing import Any

from addax.layers.arguments import int_tuple
from addax.layers.reshaping.base_cropping import BaseCropping


class Cropping1D(BaseCropping):
    """Cuts away the ends of the steps of a sequence.

    Args:
        cropping: How many steps to cut before and after: an int for both, or a pair.
        **kwargs: Arguments of `Layer`.

    Inputs have shape `(batch, steps, features)`.

    Raises:
        ValueError: If `cropping` is out of its domain, or nothing would be left.

    Example:

    >>> addax.layers.Cropping1D(1)(addax.ops.ones((2, 3, 4))).shape
    (2, 1, 4)
    """

    def __init__(self, cropping: Any = (1, 1), **kwargs):
        super().__init__((int_tuple(cropping, 2, "cropping", allow_zero=True),), **kwargs)

    def _too_much(self, shape: tuple) -> str:
        return (
            "`cropping` parameter of `Cropping1D` layer must be smaller than the input length. "
            f"Received: inputs.shape={shape}, cropping={self.cropping}"
        )
