"""Enlarging of spatial axes: what UpSampling1D, UpSampling2D and UpSampling3D share."""

from __future__ import annotations

from typing import Any

import numpy as np

from addax import ops


def repeated(x: Any, sizes: dict[int, int]) -> Any:
    """The tensor with every position along some axes repeated.

    Args:
        x: The tensor.
        sizes: How many times, by axis.
    """
    between, copied, result = [], [], []
    for axis, dim in enumerate(x.shape):
        n = sizes.get(axis)
        between += [dim] if n is None else [dim, 1]
        copied += [dim] if n is None else [dim, n]
        result.append(dim * (n or 1))
    return ops.reshape(ops.broadcast_to(ops.reshape(x, between), copied), result)


def interpolated(x: Any, axis: int, size: int, method: str) -> Any:
    """The tensor with an axis enlarged by interpolation; pixels are areas, and the edges weigh what lies inside only.

    Args:
        x: The tensor.
        axis: The axis.
        size: By which factor.
        method: `"bilinear"`, `"bicubic"`, `"lanczos3"` or `"lanczos5"`.
    """
    kernel, reach = _KERNELS[method]
    n = x.shape[axis]
    centers = (np.arange(n * size) + 0.5) / size - 0.5
    taps = np.floor(centers).astype(int)[:, None] + np.arange(1 - reach, reach + 1)
    weights = kernel(np.abs(taps - centers[:, None])) * ((taps >= 0) & (taps < n))
    weights /= weights.sum(axis=1, keepdims=True)
    shape = (-1, *(1,) * (len(x.shape) - axis - 1))
    total = 0
    for tap, weight in zip(taps.T, weights.T, strict=True):
        index = ops.convert_to_tensor(np.clip(tap, 0, n - 1).astype("int32"))
        factor = ops.convert_to_tensor(weight.reshape(shape).astype("float32"), x.dtype)
        total = ops.take(x, index, axis=axis) * factor + total
    return total


def _triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1 - distance, 0)


def _cubic(distance: np.ndarray) -> np.ndarray:
    """Keys's kernel with a = -1/2 (IEEE Trans. ASSP 29, 1981)."""
    near = ((1.5 * distance - 2.5) * distance) * distance + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return np.where(distance < 1, near, np.where(distance < 2, far, 0))


def _lanczos(radius: int) -> Any:
    def kernel(distance: np.ndarray) -> np.ndarray:
        return np.where(distance < radius, np.sinc(distance) * np.sinc(distance / radius), 0)

    return kernel


# method -> weight by distance, and to how many positions on each side it reaches
_KERNELS = {
    "bilinear": (_triangle, 1),
    "bicubic": (_cubic, 2),
    "lanczos3": (_lanczos(3), 3),
    "lanczos5": (_lanczos(5), 5),
}
METHODS = ("nearest", *_KERNELS)
