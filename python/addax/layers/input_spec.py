"""InputSpec: what a layer demands of its inputs, and the check of it."""

from __future__ import annotations

from typing import Any

from addax import tree
from addax.ops.keras_tensor import standardize_shape


class InputSpec:
    """Rank, shape and dtype that a layer demands of an input.

    Set `layer.input_spec` to one, or to a list or dict of them; every call is checked.

    Args:
        dtype: The dtype, if it must be one.
        shape: The shape; `None` for a dim that may be anything.
        ndim: The rank.
        max_ndim: The greatest rank.
        min_ndim: The least rank.
        axes: Dict from an axis to the size it must have.
        allow_last_axis_squeeze: Whether a last axis of size 1 may be missing or extra, compared with `shape`.
        name: The key of this input when data come as a dict.
        optional: Whether the input may be `None`.

    Raises:
        TypeError: If `axes` is not a dict with integer keys.
        ValueError: If an axis lies beyond the rank.

    Example:

    >>> addax.layers.InputSpec(min_ndim=2, axes={-1: 4})
    InputSpec(min_ndim=2, axes={-1: 4})
    """

    def __init__(
        self,
        dtype: str | None = None,
        shape: tuple | None = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int] | None = None,
        allow_last_axis_squeeze: bool = False,
        name: str | None = None,
        optional: bool = False,
    ):
        self.dtype = dtype
        self.shape = None if shape is None else standardize_shape(shape)
        self.ndim = ndim if self.shape is None else len(self.shape)
        self.max_ndim = max_ndim
        self.min_ndim = min_ndim
        self.name = name
        self.optional = optional
        self.allow_last_axis_squeeze = allow_last_axis_squeeze
        try:
            self.axes = {int(axis): size for axis, size in (axes or {}).items()}
        except (AttributeError, TypeError, ValueError):
            raise TypeError(f"Argument `axes` must be a dict with integer keys. Received: axes={axes}") from None
        rank = self.ndim if self.ndim is not None else self.max_ndim
        if self.axes and rank is not None and max(self.axes) >= rank:
            raise ValueError(f"Axis {max(self.axes)} is greater than the maximum allowed value: {rank - 1}")

    def get_config(self) -> dict:
        """Returns the constructor's arguments that describe ranks, shape and dtype."""
        keys = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes", "optional")
        return {key: getattr(self, key) for key in keys}

    @classmethod
    def from_config(cls, config: dict) -> InputSpec:
        """Makes a spec of what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        keys = ("dtype", "shape", "ndim", "max_ndim", "min_ndim", "axes")
        given = [f"{key}={getattr(self, key)}" for key in keys if getattr(self, key) not in (None, {})]
        return f"InputSpec({', '.join(given)})"


def check_inputs(spec: Any, inputs: Any, layer_name: str) -> None:
    """Raises ValueError if the inputs do not satisfy the spec, an `InputSpec` or a structure of them."""
    if isinstance(spec, InputSpec) and not isinstance(inputs, (list, tuple, dict)):
        _check_one(spec, inputs, 0, None, layer_name)
        return
    specs, tensors, names = _pair(spec, inputs)
    if len(specs) != len(tensors):
        raise ValueError(
            f'Layer "{layer_name}" expects {len(specs)} input(s), but it received {len(tensors)} input tensors. '
            f"Inputs received: {tensors}"
        )
    for i, (one, tensor, name) in enumerate(zip(specs, tensors, names, strict=True)):
        if one is not None:
            _check_one(one, tensor, i, name, layer_name)


def _pair(spec: Any, inputs: Any) -> tuple[list, list, list]:
    if isinstance(spec, dict) and isinstance(inputs, dict):
        specs = [spec[key] for key in sorted(spec)]
        names = [one.name or key for key, one in zip(sorted(spec), specs, strict=True)]
        for name in names:
            if name not in inputs:
                raise ValueError(
                    f'Missing data for input "{name}". You passed a data dictionary with keys {list(inputs)}. '
                    f"Expected the following keys: {names}"
                )
        return specs, [inputs[name] for name in names], names
    specs = tree.flatten(spec)
    return specs, tree.flatten(inputs), [None] * len(specs)


def _check_one(spec: InputSpec, x: Any, index: int, name: str | None, layer_name: str) -> None:
    if x is None and spec.optional:
        return
    try:
        shape = x.shape
    except AttributeError:
        raise ValueError(
            f"Inputs to a layer should be tensors. Got '{x}' (of type {type(x)}) as input for layer '{layer_name}'."
        ) from None
    problem = _problem(spec, tuple(shape), x)
    if problem:
        raise ValueError(
            f"Input {index} with name '{name or spec.name}' of layer '{layer_name}' is incompatible with the layer: "
            f"{problem}"
        )


def _problem(spec: InputSpec, shape: tuple, x: Any) -> str | None:
    ndim = len(shape)
    if spec.ndim is not None and ndim != spec.ndim and not _last_axis_is_squeezed(spec, shape):
        return f"expected ndim={spec.ndim}, found ndim={ndim}. Full shape received: {shape}"
    if spec.max_ndim is not None and ndim > spec.max_ndim:
        return f"expected max_ndim={spec.max_ndim}, found ndim={ndim}"
    if spec.min_ndim is not None and ndim < spec.min_ndim:
        return f"expected min_ndim={spec.min_ndim}, found ndim={ndim}. Full shape received: {shape}"
    if spec.dtype is not None and x.dtype != spec.dtype:
        return f"expected dtype={spec.dtype}, found dtype={x.dtype}"
    for axis, size in spec.axes.items():
        if size is None:
            continue
        if not -ndim <= axis < ndim or shape[axis] not in (size, None):
            return f"expected axis {axis} of input shape to have value {size}, but received input with shape {shape}"
    if spec.shape is not None and ndim == len(spec.shape):
        for expected, size in zip(spec.shape, shape, strict=True):
            if expected is not None and size is not None and expected != size:
                return f"expected shape={spec.shape}, found shape={shape}"
    return None


def _last_axis_is_squeezed(spec: InputSpec, shape: tuple) -> bool:
    if not spec.allow_last_axis_squeeze or spec.shape is None:
        return False
    expected = spec.shape
    return (expected[-1:] == (1,) and len(shape) == len(expected) - 1) or (
        shape[-1:] == (1,) and len(shape) == len(expected) + 1
    )
