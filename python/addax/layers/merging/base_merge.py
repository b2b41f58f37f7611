"""Merge: what the layers that combine several inputs element by element share."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.layers.calls import mask_of
from addax.layers.layer import Layer


class Merge(Layer):
    """Combines inputs of equal or broadcastable shapes; subclasses write `_merge`.

    Inputs of a lower rank get axes of size 1 behind the batch axis.

    Args:
        **kwargs: Arguments of `Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._supports_masking = True

    def build(self, input_shape: list) -> None:
        """Checks that the shapes can be combined.

        Raises:
            ValueError: If they cannot, or there is no list of them.
        """
        if not isinstance(input_shape, (list, tuple)) or not isinstance(input_shape[0], (list, tuple)):
            raise ValueError(
                "A merge layer should be called on a list of inputs. "
                f"Received: input_shape={input_shape} (not a list of shapes)"
            )
        if len({shape[0] for shape in input_shape if shape and shape[0] is not None}) > 1:
            raise ValueError(
                f"Cannot merge tensors with different batch sizes. Received tensors with shapes {list(input_shape)}"
            )
        first = tuple(input_shape[0][1:])
        for shape in input_shape[1:]:
            other = tuple(shape[1:])
            for a, b in zip(first[::-1], other[::-1], strict=False):
                if a != b and 1 not in (a, b) and None not in (a, b):
                    raise ValueError(f"Inputs have incompatible shapes. Received shapes {first} and {other}")

    def call(self, inputs):
        """Returns the combined inputs."""
        masks = mask_of(inputs) or [None] * len(inputs)
        rank = max(len(x.shape) for x in inputs)
        missing = [rank - len(x.shape) for x in inputs]
        return self._merge(
            [_with_axes(x, n) for x, n in zip(inputs, missing, strict=True)],
            [None if m is None else _with_axes(m, n) for m, n in zip(masks, missing, strict=True)],
        )

    def _merge(self, inputs: list, masks: list):
        """The combination of inputs of one rank; a mask is `None` where everything counts."""
        raise NotImplementedError

    def compute_mask(self, inputs: list, mask: list | None = None) -> Any:
        """Returns where any input counts; `None` if one of them has no mask."""
        if mask is None:
            return None
        for name, value in {"mask": mask, "inputs": inputs}.items():
            if not isinstance(value, (list, tuple)):
                raise ValueError(f"`{name}` should be a list. Received: {name}={value}")
        if len(mask) != len(inputs):
            raise ValueError(
                f"The lists `inputs` and `mask` should have the same length. Received: inputs={inputs} of length "
                f"{len(inputs)}, and mask={mask} of length {len(mask)}"
            )
        if any(one is None for one in mask):
            return None
        rank = max(len(x.shape) for x in inputs)
        return any_of([_with_axes(one, rank - len(x.shape)) for one, x in zip(mask, inputs, strict=True)])


def any_of(masks: list) -> Any:
    """The union of masks."""
    union = masks[0]
    for mask in masks[1:]:
        union = ops.logical_or(union, mask)
    return union


def like(mask: Any, x: Any) -> Any:
    """The mask with axes of size 1 up to the rank of x."""
    for _ in range(len(x.shape) - len(mask.shape)):
        mask = ops.expand_dims(mask, axis=-1)
    return mask


def choose_masked(function: Any, inputs: list, masks: list) -> Any:
    """Combines by a function of two tensors what the masks keep; where they keep nothing, the first input stays."""
    result, kept = inputs[0], masks[0]
    for x, mask in zip(inputs[1:], masks[1:], strict=True):
        both = function(result, x)
        if mask is not None:
            both = ops.where(like(mask, x), both, result)
        if kept is not None:
            alone = x if mask is None else ops.where(like(mask, x), x, result)
            both = ops.where(like(kept, x), both, alone)
        kept = None if kept is None or mask is None else ops.logical_or(kept, mask)
        result = both
    return result


def _with_axes(x: Any, n: int) -> Any:
    for _ in range(n):
        x = ops.expand_dims(x, axis=1)
    return x
