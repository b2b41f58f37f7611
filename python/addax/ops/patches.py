"""Images to patches and back: blocks of pixels as channels, sliding windows as columns. Part of the movement family."""

from __future__ import annotations

from typing import Any

from addax import config
from addax.engine import Tensor, apply
from addax.ops.convert import as_tensor
from addax.ops.operation import op


@op("nn.DepthToSpace")
def depth_to_space(x, block_size, data_format="channels_last") -> Tensor:
    """Moves channels into blocks of pixels.

    Args:
        x: Images, a tensor of rank 4 whose number of channels is divisible by `block_size**2`.
        block_size: The height and width of a block.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Images larger by `block_size` in height and width.

    Raises:
        ValueError: If the number of channels is not divisible.

    Example:

    >>> addax.ops.depth_to_space(addax.ops.zeros((1, 2, 2, 4)), 2).shape
    (1, 4, 4, 1)
    """
    x, first = _images(x, data_format, "depth_to_space")
    n, h, w, c = x.shape
    b = block_size
    if c % (b * b):
        raise ValueError(f"depth_to_space: {c} channels are not divisible by block_size**2 = {b * b}")
    if first:  # the channel is the outer index, as with channels_last the block is
        x = apply("transpose", apply("reshape", x, shape=(n, h, w, c // (b * b), b, b)), axes=(0, 1, 4, 2, 5, 3))
    else:
        x = apply("transpose", apply("reshape", x, shape=(n, h, w, b, b, c // (b * b))), axes=(0, 1, 3, 2, 4, 5))
    return _images_back(apply("reshape", x, shape=(n, h * b, w * b, c // (b * b))), first)


@op("nn.SpaceToDepth")
def space_to_depth(x, block_size, data_format="channels_last") -> Tensor:
    """Moves blocks of pixels into channels.

    Args:
        x: Images, a tensor of rank 4 whose height and width are divisible by `block_size`.
        block_size: The height and width of a block.
        data_format: `"channels_last"` or `"channels_first"`.

    Returns:
        Images smaller by `block_size` in height and width.

    Raises:
        ValueError: If the height or width is not divisible.

    Example:

    >>> addax.ops.space_to_depth(addax.ops.zeros((1, 4, 4, 1)), 2).shape
    (1, 2, 2, 4)
    """
    x, first = _images(x, data_format, "space_to_depth")
    n, h, w, c = x.shape
    b = block_size
    if h % b or w % b:
        raise ValueError(f"space_to_depth: height {h} and width {w} must be divisible by block_size={b}")
    x = apply("reshape", x, shape=(n, h // b, b, w // b, b, c))
    x = apply("transpose", x, axes=(0, 1, 3, 5, 2, 4) if first else (0, 1, 3, 2, 4, 5))
    return _images_back(apply("reshape", x, shape=(n, h // b, w // b, b * b * c)), first)


def _images(x: Any, data_format: str, name: str) -> tuple[Tensor, bool]:
    x = as_tensor(x)
    if x.ndim != 4:
        raise ValueError(f"{name}: expected images, a tensor of rank 4, got shape {x.shape}")
    first = config.standardize_data_format(data_format) == "channels_first"
    return (apply("transpose", x, axes=(0, 2, 3, 1)) if first else x), first


def _images_back(x: Tensor, first: bool) -> Tensor:
    return apply("transpose", x, axes=(0, 3, 1, 2)) if first else x
