"""Initializers without chance: constants, the identity, the matrices of a Fourier transform."""

from __future__ import annotations

import math

import numpy as np

from addax.dtypes import standardize_dtype
from addax.engine import Tensor
from addax.initializers.initializer import Initializer
from addax.ops.convert import as_tensor, cast, dims_of
from addax.ops.creation import eye, full, ones, zeros


class Constant(Initializer):
    """Fills a weight with one value.

    Args:
        value: A number, or an array that broadcasts to the weight's shape.

    Example:

    >>> addax.initializers.Constant(3.0)((2,)).tolist()
    [3.0, 3.0]
    """

    def __init__(self, value=0.0):
        self.value = value

    def __call__(self, shape, dtype=None) -> Tensor:
        return full(shape, self.value, standardize_dtype(dtype))

    def get_config(self) -> dict:
        return {"value": self.value}


class Zeros(Initializer):
    """Fills a weight with zeros.

    Example:

    >>> addax.initializers.Zeros()((2,)).tolist()
    [0.0, 0.0]
    """

    def __call__(self, shape, dtype=None) -> Tensor:
        return zeros(shape, standardize_dtype(dtype))


class Ones(Initializer):
    """Fills a weight with ones.

    Example:

    >>> addax.initializers.Ones()((2,)).tolist()
    [1.0, 1.0]
    """

    def __call__(self, shape, dtype=None) -> Tensor:
        return ones(shape, standardize_dtype(dtype))


class Identity(Initializer):
    """Makes a weight the identity matrix, times a number.

    Args:
        gain: The number.

    Example:

    >>> addax.initializers.Identity()((2, 2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def __call__(self, shape, dtype=None) -> Tensor:
        """Returns the matrix.

        Raises:
            ValueError: If the shape is not that of a matrix.
        """
        shape = dims_of(shape, "Identity")
        if len(shape) != 2:
            raise ValueError(
                "Identity matrix initializer can only be used for 2D matrices. "
                f"Received: shape={shape} of rank {len(shape)}."
            )
        dtype = standardize_dtype(dtype)
        return cast(eye(*shape, dtype=dtype) * self.gain, dtype)

    def get_config(self) -> dict:
        return {"gain": self.gain}


IdentityInitializer = Identity


class STFT(Initializer):
    """Makes a weight the real or imaginary part of a windowed discrete Fourier transform.

    As the kernel of a convolution of shape `(frame, channels, frame // 2 + 1)` it computes a spectrogram.

    Args:
        side: `"real"` or `"imag"`.
        window: `"hann"`, `"hamming"`, an array of the frame's length, or `None` for no window.
        scaling: `"density"` or `"spectrum"`: how the window's power is divided out; `None`: not at all.
        periodic: Whether the window is one period of a longer signal.

    Raises:
        ValueError: If an argument is out of its domain.

    Example:

    >>> addax.initializers.STFT("real", window=None, scaling=None)((2, 1, 2)).tolist()
    [[[1.0, 1.0]], [[1.0, -1.0]]]
    """

    def __init__(self, side: str = "real", window="hann", scaling: str | None = "density", periodic: bool = False):
        if side not in ("real", "imag"):
            raise ValueError(f"STFT: expected side 'real' or 'imag'. Received: side={side!r}")
        if isinstance(window, str) and window not in _WINDOWS:
            raise ValueError(f"STFT: expected a window out of {sorted(_WINDOWS)}. Received: window={window!r}")
        if scaling not in (None, "density", "spectrum"):
            raise ValueError(f"STFT: expected scaling 'density', 'spectrum' or None. Received: scaling={scaling!r}")
        self.side = side
        self.window = window
        self.scaling = scaling
        self.periodic = periodic

    def __call__(self, shape, dtype=None) -> Tensor:
        frame, channels, bins = dims_of(shape, "STFT")
        n = (bins - 1) * 2  # the length of the transform; the kernel is its middle
        angle = 2 * math.pi * np.arange(frame)[:, None] * np.arange(bins) / max(n, 1)
        basis = np.cos(angle) if self.side == "real" else -np.sin(angle)
        if self.window is not None:
            window = self._window(frame)
            if self.scaling == "density":
                window = window / math.sqrt(float(np.sum(window**2)))
            elif self.scaling == "spectrum":
                window = window / float(np.sum(window))
            basis = basis * window[:, None]
        values = np.broadcast_to(basis[:, None, :], (frame, channels, bins))
        return as_tensor(values, standardize_dtype(dtype))

    def _window(self, frame: int) -> np.ndarray:
        if not isinstance(self.window, str):
            return np.asarray(self.window, "float64")
        a, b = _WINDOWS[self.window]
        period = frame if self.periodic else max(frame - 1, 1)
        return a - b * np.cos(2 * math.pi * np.arange(frame) / period)

    def get_config(self) -> dict:
        return {"side": self.side, "window": self.window, "periodic": self.periodic, "scaling": self.scaling}


STFTInitializer = STFT

_WINDOWS = {"hann": (0.5, 0.5), "hamming": (0.54, 0.46)}
