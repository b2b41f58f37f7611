"""movement: rows that rearrange."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from addax.export.graph import Dim, Spec
from addax.export.onnx.table import Builder, Value, numpy_dtype, row
from addax.export.sizes import combined

_TO_THE_START = int(np.iinfo(np.int64).min)


@row(any_dtype=True)
def reshape(b: Builder, x: Value, shape: tuple) -> Value:
    return b.reshaped(x, shape)


@row(any_dtype=True)
def transpose(b: Builder, x: Value, axes: tuple) -> Value:
    return b.transposed(x, [axis % x.rank for axis in axes] or list(range(x.rank))[::-1])


@row
def broadcast_to(b: Builder, x: Value, shape: tuple) -> Value:
    if x.fill is not None:
        return Value("", x.dtype, shape, fill=x.fill)
    return b("Expand", x, b.shape(shape))


@row(any_dtype=True)
def slice_(b: Builder, x: Value, starts: tuple, stops: tuple, steps: tuple, out: list[Spec]) -> Value:
    return _slice(b, x, starts, stops, steps, out[0].shape)


def _slice(b: Builder, x: Value, starts: Sequence, stops: Sequence, steps: Sequence, sizes: Sequence[Dim]) -> Value:
    """A stop of -1 with a negative step is before the first element."""
    steps = steps or (1,) * len(starts)
    dims = x.shape or (None,) * len(starts)
    axes = [i for i in range(len(starts)) if (starts[i], stops[i], steps[i]) != (0, dims[i], 1)]
    if not axes:
        return x
    first = [0 if sizes[i] == 0 else starts[i] for i in axes]
    last = [0 if sizes[i] == 0 else _TO_THE_START if stops[i] == -1 else stops[i] for i in axes]
    return b("Slice", x, b.shape(first), b.shape(last), axes, [steps[i] for i in axes])


@row
def slice_update(b: Builder, x: Value, update: Value, starts: tuple, stops: tuple, steps: tuple) -> Value:
    if update.shape is not None and 0 in update.shape:
        return x
    assert x.shape is not None
    steps = steps or (1,) * x.rank
    axes = [i for i in range(x.rank) if (starts[i], stops[i], steps[i]) != (0, x.shape[i], 1)]
    if not axes:
        return update
    if len(axes) == 1 and steps[axes[0]] == 1:
        (axis,) = axes
        parts = [update]
        if starts[axis] != 0:
            parts.insert(0, b("Slice", x, [0], b.size(starts[axis]), [axis]))
        if stops[axis] != x.shape[axis]:
            parts.append(b("Slice", x, b.size(stops[axis]), b.dim_of(x, axis), [axis]))
        return b("Concat", *parts, axis=axis)
    # The places of all elements, sliced alike, are where the update goes.
    shape = b.shape_of(x)
    places = b("Reshape", b.count(b("ReduceProd", shape, keepdims=1)), shape)
    places.shape = x.shape
    sizes = update.shape or (None,) * x.rank
    places = b("Reshape", _slice(b, places, starts, stops, steps, sizes), [-1])
    written = b("ScatterElements", b("Reshape", x, [-1]), places, b("Reshape", update, [-1]), axis=0)
    return b("Reshape", written, shape)


@row
def pad(b: Builder, x: Value, low: tuple, high: tuple, mode: str, value: float) -> Value:
    if mode == "constant":
        filled = b.const(np.array(value, numpy_dtype(x.dtype)))
        return b("Pad", x, b.shape([*low, *high]), filled)
    assert x.shape is not None
    for axis, widths in enumerate(zip(low, high, strict=True)):
        dim = x.shape[axis]
        if not any(widths):
            continue
        if isinstance(dim, int):
            places = np.pad(np.arange(dim), widths, mode)  # type: ignore[call-overload]
            made = b("Gather", x, places.astype(np.int64), axis=axis)
        else:
            made = _pad_unknown(b, x, axis, *widths, mode)
        made.shape = (
            *x.shape[:axis],
            None if dim is None else combined((1, dim), (1, sum(widths))),
            *x.shape[axis + 1 :],
        )
        x = made
    return x


def _pad_unknown(b: Builder, x: Value, axis: int, low: int, high: int, mode: str) -> Value:
    """Of an axis that is as long as the padding."""
    if mode != "symmetric":
        widths = [low if i == axis else 0 for i in range(x.rank)], [high if i == axis else 0 for i in range(x.rank)]
        return b("Pad", x, [*widths[0], *widths[1]], mode=mode)
    parts = [x]
    if low:
        parts.insert(0, b("Slice", x, [low - 1], [_TO_THE_START], [axis], [-1]))
    if high:
        parts.append(b("Slice", x, [-1], [-high - 1], [axis], [-1]))
    return b("Concat", *parts, axis=axis)


@row(any_dtype=True)
def concatenate(b: Builder, *inputs: Value, axis: int, out: list[Spec]) -> Value:
    given = [b.cast(x, out[0].dtype) for x in inputs]
    return given[0] if len(given) == 1 else b("Concat", *given, axis=axis)


@row(any_dtype=True)
def flip(b: Builder, x: Value, axes: tuple) -> Value:
    chosen = [axis % x.rank for axis in axes] or list(range(x.rank))
    if not chosen:
        return x
    n = len(chosen)
    return b("Slice", x, [-1] * n, [_TO_THE_START] * n, chosen, [-1] * n)


@row(any_dtype=True)
def barrier(b: Builder, x: Value, region: int) -> Value:
    return x


@row(any_dtype=True)
def shard(b: Builder, x: Value, sharding: int) -> Value:
    return x
