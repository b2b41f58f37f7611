"""Samples of the movement family. Values only change their places, so every row is exact, in every dtype."""

import numpy as np

from tests.samples import FLOATS, INTS, ErrorSample, Sample, inputs, normal, uniform

ALL = (*FLOATS, *INTS, "bool")


def _slices(starts, stops, steps):
    """Python slices of normalised bounds, where a stop of -1 means past the first element."""
    steps = steps or (1,) * len(starts)
    return tuple(slice(a, None if b < 0 else b, s) for a, b, s in zip(starts, stops, steps, strict=True))


def _slice(x, starts, stops, steps=()):
    return x[_slices(starts, stops, steps)]


def _slice_update(x, update, starts, stops, steps=()):
    y = x.copy()
    y[_slices(starts, stops, steps)] = update
    return y


def _pad(x, low, high, mode="constant", value=0.0):
    extra = {"constant_values": value} if mode == "constant" else {}
    return np.pad(x, list(zip(low, high, strict=True)), mode=mode, **extra)


def _row(op, reference, label, make, attrs, big=None):
    return Sample(op, make, reference, attrs, label, dtypes=ALL, big=big, exact=True)


def _values(*shape):
    """Numbers that every dtype holds in range."""
    return uniform(0, 100, *shape)


def _reshape(label, shape, to, big=None):
    return _row("reshape", lambda x, shape: x.reshape(shape), label, inputs(_values(*shape)), {"shape": to}, big)


def _transpose(label, shape, axes, big=None):
    reference = lambda x, axes=(): x.transpose(axes or None)  # noqa: E731
    return _row("transpose", reference, label, inputs(_values(*shape)), {"axes": axes}, big)


def _broadcast(label, shape, to, big=None):
    reference = lambda x, shape: np.broadcast_to(x, shape)  # noqa: E731
    return _row("broadcast_to", reference, label, inputs(_values(*shape)), {"shape": to}, big)


def _sliced(label, shape, starts, stops, steps=(), big=None):
    attrs = {"starts": starts, "stops": stops, "steps": steps}
    return _row("slice", _slice, label, inputs(_values(*shape)), attrs, big)


def _updated(label, shape, update, starts, stops, steps=(), big=None):
    attrs = {"starts": starts, "stops": stops, "steps": steps}
    return _row("slice_update", _slice_update, label, inputs(_values(*shape), _values(*update)), attrs, big)


def _padded(label, shape, low, high, big=None, **attrs):
    return _row("pad", _pad, label, inputs(_values(*shape)), {"low": low, "high": high, **attrs}, big)


def _joined(label, shapes, axis, big=None):
    reference = lambda *xs, axis: np.concatenate(xs, axis)  # noqa: E731
    return _row("concatenate", reference, label, inputs(*(_values(*s) for s in shapes)), {"axis": axis}, big)


def _flipped(label, shape, axes, big=None):
    reference = lambda x, axes=(): np.flip(x, axes or None)  # noqa: E731
    return _row("flip", reference, label, inputs(_values(*shape)), {"axes": axes}, big)


SAMPLES: list[Sample] = [
    _row("barrier", lambda x, region=0: x, "plain", inputs(_values(4, 5)), {"region": 2}, inputs(_values(300, 500))),
    _row("shard", lambda x, sharding=0: x, "whole", inputs(_values(4, 5)), {"sharding": 0}, inputs(_values(300, 500))),
    _reshape("split", (4, 6), (2, 2, 3, 2)),
    _reshape("merge", (2, 3, 4), (6, 4)),
    _reshape("unknown", (2, 3, 4), (4, -1), inputs(normal(300, 400))),
    _reshape("scalar", (1, 1), ()),
    _reshape("empty", (0, 3), (3, 0, 2)),
    _transpose("reverse", (2, 3, 4), (), inputs(normal(300, 400))),
    _transpose("axes", (2, 3, 4), (1, -1, 0)),
    _transpose("scalar", (), ()),
    _transpose("empty", (0, 3), ()),
    _broadcast("row", (3,), (2, 3)),
    _broadcast("column", (2, 1), (4, 2, 3)),
    _broadcast("scalar", (), (2, 2)),
    _broadcast("large", (100, 1), (2, 100, 200), inputs(normal(100, 1))),
    _broadcast("to-empty", (1, 3), (0, 3)),
    _sliced("part", (5, 6), (1, 2), (4, 6), big=inputs(normal(300, 400))),
    _sliced("steps", (5, 6), (0, 1), (5, 6), (2, 3)),
    _sliced("backward", (5, 6), (4, 5), (-1, 1), (-1, -2)),
    _sliced("nothing", (5, 6), (5, 3), (5, 2)),
    _updated("part", (5, 6), (3, 4), (1, 2), (4, 6), big=inputs(normal(300, 400), normal(3, 4))),
    _updated("backward", (5, 6), (5, 2), (4, 5), (-1, 1), (-1, -2)),
    _updated("all", (2, 3), (2, 3), (0, 0), (2, 3)),
    _updated("nothing", (5,), (0,), (3,), (3,)),
    _padded("zeros", (2, 3, 2), (0, 1, 0), (1, 2, 0), inputs(normal(60, 50, 40))),
    _padded("value", (2, 3), (1, 0), (0, 2), value=7.0),
    _padded("none", (2, 3), (0, 0), (0, 0), value=7.0),
    _padded("empty", (0, 2), (1, 1), (1, 0), value=1.0),
    _padded("reflect", (4, 3, 2), (2, 1, 0), (3, 2, 0), mode="reflect"),
    _padded("reflect-often", (3,), (7,), (9,), mode="reflect"),
    _padded("reflect-one", (1, 2), (2, 0), (3, 0), mode="reflect"),
    _padded("symmetric", (4, 3), (2, 1), (3, 2), mode="symmetric"),
    _padded("symmetric-often", (2,), (7,), (8,), mode="symmetric"),
    _padded("edge", (2, 3), (2, 1), (0, 4), mode="edge"),
    _joined("first", [(2, 3), (1, 3), (4, 3)], 0, inputs(normal(200, 300), normal(100, 300), normal(1, 300))),
    _joined("last", [(2, 3), (2, 1)], -1),
    _joined("middle", [(2, 2, 3), (2, 1, 3), (2, 0, 3)], 1),
    _joined("one", [(2, 3)], 0),
    _joined("forty", [(1, 2)] * 40, 0),
    _flipped("all", (2, 3), (), inputs(normal(300, 400))),
    _flipped("some", (2, 3, 4), (-1, 0)),
    _flipped("empty", (0, 3), (0,)),
]

_X = np.zeros((2, 3), "float32")
ERRORS: list[ErrorSample] = [
    ErrorSample("reshape", (_X,), ValueError, r"cannot make shape \(4, 2\) of x \(2, 3\)", {"shape": (4, 2)}),
    ErrorSample("reshape", (_X,), ValueError, r"cannot make shape \(4, -1\)", {"shape": (4, -1)}),
    ErrorSample("reshape", (_X,), ValueError, "at most one -1", {"shape": (-1, -1)}),
    ErrorSample("transpose", (_X,), ValueError, "one entry per dimension", {"axes": (0,)}),
    ErrorSample("transpose", (_X,), ValueError, "given twice", {"axes": (0, 0)}),
    ErrorSample("transpose", (_X,), IndexError, "axis 2 is out of range", {"axes": (0, 2)}),
    ErrorSample("broadcast_to", (_X,), ValueError, r"\(2, 3\) does not broadcast to \(2, 4\)", {"shape": (2, 4)}),
    ErrorSample("broadcast_to", (_X,), ValueError, "does not broadcast", {"shape": (3,)}),
    ErrorSample("slice", (_X,), ValueError, "starts must have one entry", {"starts": (0,), "stops": (1,)}),
    ErrorSample("slice", (_X,), IndexError, "0:4:1 leaves axis 1 of size 3", {"starts": (0, 0), "stops": (2, 4)}),
    ErrorSample("slice", (_X,), ValueError, "step", {"starts": (0, 0), "stops": (2, 3), "steps": (1, 0)}),
    ErrorSample("slice_update", (_X, _X), ValueError, "that it replaces", {"starts": (0, 0), "stops": (2, 2)}),
    ErrorSample("slice_update", (_X, _X.astype("float64")), TypeError, "cast", {"starts": (0, 0), "stops": (2, 3)}),
    ErrorSample("pad", (_X,), ValueError, "mode must be", {"low": (0, 0), "high": (0, 0), "mode": "wrap"}),
    ErrorSample("pad", (_X,), ValueError, "widths must be >= 0", {"low": (-1, 0), "high": (0, 0)}),
    ErrorSample("pad", (_X[:0],), ValueError, "is empty", {"low": (1, 0), "high": (0, 0), "mode": "edge"}),
    ErrorSample("concatenate", (_X, np.zeros((2, 4), "float32")), ValueError, "does not fit input 0", {"axis": 0}),
    ErrorSample("concatenate", (_X, _X.astype("int32")), TypeError, "cast with addax.ops.cast", {"axis": 0}),
    ErrorSample("barrier", (_X, _X), ValueError, "expected 1 inputs, got 2"),
    ErrorSample("shard", (_X, _X), ValueError, "expected 1 inputs, got 2"),
    ErrorSample("flip", (_X,), IndexError, "axis 5 is out of range", {"axes": (5,)}),
]
