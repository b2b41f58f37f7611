"""Samples of the pool family."""

import itertools

import numpy as np

from tests.samples import ErrorSample, Sample, given, inputs, normal


def _windows(x_spatial, window, strides, low, high):
    """For each position of the output, the slices of the input that its window covers."""
    out = [(n + lo + hi - k) // s + 1 for n, k, s, lo, hi in zip(x_spatial, window, strides, low, high, strict=True)]
    for at in itertools.product(*map(range, out)):
        starts = [p * s - lo for p, s, lo in zip(at, strides, low, strict=True)]
        ends = [(max(b, 0), min(b + k, n)) for b, k, n in zip(starts, window, x_spatial, strict=True)]
        yield (slice(None), *at), (slice(None), *(slice(*e) for e in ends)), out


def _output_shape(x, window, strides, low, high):
    return (x[0], *next(_windows(x[1:-1], window, strides, low, high))[2], x[-1])


def _first_maximum(part):
    """Flat positions, one per image and channel; NaN counts as largest."""
    flat = part.reshape(part.shape[0], int(np.prod(part.shape[1:-1])), part.shape[-1])
    nan = np.isnan(flat)
    return flat, np.where(nan.any(axis=1), nan.argmax(axis=1), np.where(nan, -np.inf, flat).argmax(axis=1))[:, None]


def _max_pool(x, **attrs):
    return _max_pool_select(x, x, **attrs)


def _max_pool_select(x, v, **attrs):
    y = np.zeros(_output_shape(x.shape, **attrs))
    for at, where, _ in _windows(x.shape[1:-1], **attrs):
        position = _first_maximum(x[where])[1]
        y[at] = np.take_along_axis(_first_maximum(v[where])[0], position, axis=1)[:, 0]
    return y


def _max_pool_grad(x, g, **attrs):
    dx = np.zeros(x.shape)
    for at, where, _ in _windows(x.shape[1:-1], **attrs):
        flat, position = _first_maximum(x[where])
        part = np.zeros(flat.shape)
        np.put_along_axis(part, position, g[at][:, None], axis=1)
        dx[where] += part.reshape(x[where].shape)
    return dx


def _count(x_part, window, count_padding):
    return np.prod(window) if count_padding else np.prod(x_part.shape[1:-1])


def _avg_pool(x, count_padding=False, **attrs):
    y = np.zeros(_output_shape(x.shape, **attrs))
    for at, where, _ in _windows(x.shape[1:-1], **attrs):
        axes = tuple(range(1, x.ndim - 1))
        y[at] = x[where].sum(axis=axes) / _count(x[where], attrs["window"], count_padding)
    return y


def _avg_pool_grad(g, input_spatial, count_padding=False, **attrs):
    dx = np.zeros((g.shape[0], *input_spatial, g.shape[-1]))
    for at, where, _ in _windows(input_spatial, **attrs):
        share = g[at] / _count(dx[where], attrs["window"], count_padding)
        dx[where] += share.reshape(share.shape[0], *(1,) * len(input_spatial), share.shape[-1])
    return dx


def _rows(label, x, window, big=None, *, strides=None, low=0, high=0):
    """The five ops on one geometry; `big` is another input shape."""
    rank = len(x) - 2
    attrs = {
        name: value if isinstance(value, tuple) else (value,) * rank
        for name, value in (("window", window), ("strides", strides or window), ("low", low), ("high", high))
    }

    def of(which, x):
        made = {"x": normal(*x), "v": normal(*x), "g": normal(*_output_shape(x, **attrs))} if x else {}
        return inputs(*(made[i] for i in which)) if x else None

    rows = [
        Sample("max_pool", of("x", x), _max_pool, attrs, label, exact=True, big=of("x", big)),
        Sample("max_pool_grad", of("xg", x), _max_pool_grad, attrs, label, big=of("xg", big)),
        Sample("max_pool_select", of("xv", x), _max_pool_select, attrs, label, exact=True, big=of("xv", big)),
    ]
    for counted in (False, True):
        average = attrs | {"count_padding": counted}
        name = f"{label}, padding counted" if counted else label
        rows += [
            Sample("avg_pool", of("x", x), _avg_pool, average, name, big=of("x", big)),
            Sample("avg_pool_grad", of("g", x), _avg_pool_grad, average | {"input_spatial": x[1:-1]}, name),
        ]
        if big:
            # Of a size of its own, which is an attribute; the reference has been met by the row above.
            sized = average | {"input_spatial": big[1:-1]}
            small, large = of("g", (1, *big[1:])), of("g", big)
            rows.append(Sample("avg_pool_grad", small, None, sized, f"{name}, large", gradient=(), big=large))
    return rows


_TIES = {"window": (2,), "strides": (1,), "low": (1,), "high": (1,)}
_APART = _TIES | {"strides": (2,)}
_LONE_NAN = np.zeros((1, 2, 48, 2048))
_LONE_NAN[0, 0, 20, 7] = np.nan
_TIED = given(np.array([1.0, 1.0, np.nan, 2.0, 2.0, -np.inf, -np.inf, np.nan, np.nan]).reshape(1, 9, 1))

SAMPLES: list[Sample] = [
    *_rows("2-D", (2, 4, 6, 3), 2, (8, 40, 40, 20)),
    *_rows("overlapping", (2, 6, 5, 2), 3, (3, 60, 60, 17), strides=1),
    *_rows("padding", (2, 5, 6, 18), 3, (2, 61, 60, 18), strides=2, low=1, high=1),
    *_rows("uneven", (1, 7, 9, 37), (2, 4), strides=(3, 2), low=(0, 2), high=(1, 3)),
    *_rows("gaps", (2, 8, 8, 4), 2, strides=3),
    *_rows("left over", (2, 5, 7, 19), 2),
    *_rows("1-D", (2, 11, 5), 3, (3, 4000, 5), strides=2, low=1),
    *_rows("3-D", (1, 4, 5, 4, 3), 2, (2, 14, 14, 14, 9), strides=(2, 1, 2), high=1),
    *_rows("whole", (2, 3, 4, 5), (3, 4), strides=1),
    *_rows("no batch", (0, 4, 4, 3), 2),
    # The first of equal values, and the first NaN, are the maximum.
    Sample("max_pool", inputs(_TIED), _max_pool, _TIES, "ties", exact=True, gradient=()),
    # One task of several meets the NaN, in a window as high as the input.
    Sample(
        "max_pool",
        inputs(given(_LONE_NAN)),
        _max_pool,
        {"window": (2, 2), "strides": (2, 2), "low": (0, 0), "high": (0, 0)},
        "lone nan",
        exact=True,
        gradient=(),
    ),
    Sample("max_pool_grad", inputs(_TIED, normal(1, 10, 1)), _max_pool_grad, _TIES, "ties", gradient=(1,)),
    Sample("max_pool_grad", inputs(_TIED, normal(1, 5, 1)), _max_pool_grad, _APART, "ties, apart", gradient=(1,)),
    Sample("max_pool_select", inputs(_TIED, normal(1, 9, 1)), _max_pool_select, _TIES, "ties", gradient=(1,)),
]

_f = np.zeros
_A = {"window": (2, 2), "strides": (2, 2), "low": (0, 0), "high": (0, 0)}
_X, _G = _f((1, 4, 4, 3)), _f((1, 2, 2, 3))
ERRORS: list[ErrorSample] = [
    ErrorSample("max_pool", (_f((1, 1, 4, 3)),), ValueError, "the window 2 is more than the padded input's 1", _A),
    ErrorSample("max_pool", (_f((1, 4, 3)),), ValueError, "window needs one value >= 1", _A),
    ErrorSample("max_pool", (_X,), ValueError, "strides needs one value >= 1", _A | {"strides": (0, 2)}),
    ErrorSample("max_pool", (_f((4, 3)),), ValueError, "rank 3 to 5", _A),
    ErrorSample("max_pool", (_X,), ValueError, "padding must be less than the window", _A | {"low": (2, 0)}),
    ErrorSample("max_pool", (_f((1, 4, 4, 3), "int32"),), TypeError, "cast with addax.ops.cast", _A),
    ErrorSample("max_pool_grad", (_X, _f((1, 2, 3, 3))), ValueError, r"must have the shape \(1, 2, 2, 3\)", _A),
    ErrorSample("max_pool_grad", (_X, _G.astype("float32")), TypeError, "cast with addax.ops.cast", _A),
    ErrorSample("max_pool_select", (_X, _G), ValueError, "must have the shape of x", _A),
    ErrorSample("avg_pool", (_X,), ValueError, "high needs one value >= 0", _A | {"high": (-1, 0)}),
    ErrorSample("avg_pool_grad", (_X,), ValueError, r"must have the spatial dims \(2, 2\)",
                _A | {"input_spatial": (4, 4)}),
    ErrorSample("avg_pool_grad", (_G,), ValueError, "input_spatial needs one value", _A | {"input_spatial": (4,)}),
]  # fmt: skip
