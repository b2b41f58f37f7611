"""Samples of the conv family."""

import itertools

import numpy as np

from tests.samples import ErrorSample, Sample, inputs, normal
from tests.samples.fused import FLOAT64, of


def _taps(x_spatial, filter_spatial, strides, low, high, dilation):
    """For each tap of the filter, the part of the padded input that it meets, position by position of the output."""
    out = [
        (n + lo + hi - (k - 1) * d - 1) // s + 1
        for n, k, s, lo, hi, d in zip(x_spatial, filter_spatial, strides, low, high, dilation, strict=True)
    ]
    for tap in itertools.product(*map(range, filter_spatial)):
        where = tuple(
            slice(t * d, t * d + (o - 1) * s + 1, s) for t, d, s, o in zip(tap, dilation, strides, out, strict=True)
        )
        yield tap, (slice(None), *where), out


def _padded(x, low, high):
    return np.pad(x, [(0, 0), *zip(low, high, strict=True), (0, 0)])


def _groups(groups, *arrays):
    return zip(*(np.split(a, groups, axis=-1) for a in arrays), strict=True)


def _conv(x, w, strides, low, high, dilation, groups=1):
    padded = _padded(x, low, high)
    total = 0
    for tap, where, _ in _taps(x.shape[1:-1], w.shape[:-2], strides, low, high, dilation):
        parts = [xg @ wg for xg, wg in _groups(groups, padded[where], w[tap])]
        total = total + np.concatenate(parts, axis=-1)
    return total


def _input_grad(g, w, strides, low, high, dilation, groups, input_spatial):
    padded = _padded(np.zeros((g.shape[0], *input_spatial, w.shape[-2] * groups)), low, high)
    for tap, where, _ in _taps(input_spatial, w.shape[:-2], strides, low, high, dilation):
        parts = [gg @ wg.T for gg, wg in _groups(groups, g, w[tap])]
        padded[where] += np.concatenate(parts, axis=-1)
    return padded[(slice(None), *(slice(lo, lo + n) for lo, n in zip(low, input_spatial, strict=True)))]


def _filter_grad(x, g, strides, low, high, dilation, groups, filter_spatial):
    padded = _padded(x, low, high)
    dw = np.zeros((*filter_spatial, x.shape[-1] // groups, g.shape[-1]))
    for tap, where, _ in _taps(x.shape[1:-1], filter_spatial, strides, low, high, dilation):
        parts = [
            xg.reshape(-1, xg.shape[-1]).T @ gg.reshape(-1, gg.shape[-1])
            for xg, gg in _groups(groups, padded[where], g)
        ]
        dw[tap] = np.concatenate(parts, axis=-1)
    return dw


# A sum of k products of both signs is as exact as the sum of their sizes, here some 10 times the result.
TOLERANCE = {"float32": 2e-5, "float64": 1e-11}
# Winograd's F(4 x 4) errs by 4e-7 of that sum, which is about 150 for nine taps over 24 channels.
TILES = TOLERANCE | {"float32": 6e-5}


def _rows(label, x, w, big=None, *, strides=1, low=0, high=0, dilation=1, groups=1, tolerance=TOLERANCE):
    """The three ops of one convolution; `big` is another batch and spatial size, with the same channels."""
    rank = len(x) - 2
    geometry = {
        name: value if isinstance(value, tuple) else (value,) * rank
        for name, value in (("strides", strides), ("low", low), ("high", high), ("dilation", dilation))
    }
    shared = geometry | {"groups": groups}

    def pair(op, x):
        out = next(_taps(x[1:-1], w[:-2], **geometry))[2]
        made = {"x": normal(*x), "w": normal(*w), "g": normal(x[0], *out, w[-1])}
        return inputs(*(made[i] for i in {"conv": "xw", "conv_input_grad": "gw", "conv_filter_grad": "xg"}[op]))

    def row(op, reference, attrs, **kwargs):
        allowed = TOLERANCE if op == "conv_filter_grad" else tolerance  # whose tiles are F(3 x 3, 2 x 2) at most
        return Sample(op, pair(op, x), reference, shared | attrs, label, tolerance=allowed, **kwargs)

    rows = [
        row("conv", _conv, {}, big=big and pair("conv", big)),
        row("conv_filter_grad", _filter_grad, {"filter_spatial": w[:-2]}, big=big and pair("conv_filter_grad", big)),
        row("conv_input_grad", _input_grad, {"input_spatial": x[1:-1]}),
    ]
    if big:
        # Of a size of its own, which is an attribute; the reference has been met by the row above.
        attrs = shared | {"input_spatial": big[1:-1]}
        small, large = pair("conv_input_grad", (1, *big[1:])), pair("conv_input_grad", big)
        rows.append(Sample("conv_input_grad", small, None, attrs, f"{label}, large", gradient=(), big=large))
    return rows


def _conv_bias_relu(x, w, bias, *, program, dtypes, results, **geometry):
    return np.maximum(_conv(x, w, **geometry) + bias, 0)


def _fused(label, x, w, bias, big, *, low=0, groups=1, tolerance=TOLERANCE):
    geometry = {"strides": (1, 1), "low": (low, low), "high": (low, low), "dilation": (1, 1), "groups": groups}
    return Sample(
        "conv_fused", inputs(normal(*x), normal(*w), normal(*bias)), _conv_bias_relu,
        geometry | of("float64 float64", "add 0 1;relu 2", 3), label, FLOAT64,
        tolerance=tolerance, big=inputs(normal(*big), normal(*w), normal(*bias)),
    )  # fmt: skip


SAMPLES: list[Sample] = [
    _fused("bias-relu", (2, 6, 5, 3), (3, 2, 3, 4), (4,), (8, 40, 40, 3)),
    _fused("bias-relu, groups", (2, 5, 4, 6), (3, 3, 2, 9), (1, 1, 1, 9), (6, 30, 30, 6), low=1, groups=3),
    _fused("bias-relu, many tiles", (3, 8, 9, 24), (3, 3, 24, 70), (70,), (5, 30, 31, 24), low=1, tolerance=TILES),
    _fused("bias-relu, depthwise", (2, 5, 6, 20), (3, 3, 1, 20), (20,), (6, 60, 60, 20), low=1, groups=20),
    *_rows("2-D", (2, 6, 5, 3), (3, 2, 3, 4), (8, 40, 40, 3)),
    *_rows("same padding", (2, 5, 6, 2), (3, 3, 2, 5), (6, 40, 40, 2), low=1, high=1),
    *_rows("uneven padding", (1, 5, 4, 2), (2, 4, 2, 3), low=(0, 2), high=(1, 1)),
    *_rows("strides", (2, 8, 9, 3), (3, 3, 3, 4), (8, 60, 60, 3), strides=2, low=1, high=0),
    *_rows("stride beyond the filter", (1, 9, 8, 2), (2, 1, 2, 3), strides=(3, 4)),
    *_rows("dilation", (1, 9, 8, 2), (3, 2, 2, 3), dilation=(2, 3), low=1, high=2),
    *_rows("strides and dilation", (1, 11, 12, 2), (3, 3, 2, 3), dilation=(2, 3), strides=(4, 2), low=2, high=1),
    *_rows("pointwise", (2, 4, 3, 5), (1, 1, 5, 7), (6, 30, 30, 5)),
    *_rows("pointwise, strides", (2, 5, 5, 4), (1, 1, 4, 3), strides=2),
    *_rows("groups", (2, 5, 4, 6), (3, 3, 2, 9), (6, 30, 30, 6), groups=3, low=1, high=1),
    *_rows("depthwise", (2, 5, 6, 20), (3, 3, 1, 20), (6, 60, 60, 20), groups=20, low=1, high=1),
    *_rows("depthwise, two each", (1, 6, 7, 5), (3, 2, 1, 10), (6, 60, 60, 5), groups=5, strides=2, low=1),
    *_rows("wide", (1, 3, 3, 18), (2, 2, 18, 37), (4, 24, 24, 18)),
    *_rows("many tiles", (3, 8, 9, 24), (3, 3, 24, 26), (5, 30, 31, 24), low=1, high=(1, 0), tolerance=TILES),
    *_rows("depthwise, whole vectors", (2, 5, 6, 32), (3, 3, 1, 32), (6, 60, 60, 32), groups=32, low=1, high=1),
    *_rows("depthwise, wide", (1, 5, 6, 128), (3, 3, 1, 128), (4, 30, 30, 128), groups=128, strides=2, low=1, high=1),
    *_rows("deep", (2, 4, 5, 50), (3, 3, 50, 20), (3, 26, 26, 50), low=1, high=1),
    *_rows("deep groups", (1, 4, 4, 60), (3, 2, 30, 40), (2, 30, 30, 60), groups=2, strides=2),
    *_rows("1-D", (2, 12, 3), (5, 3, 4), (4, 3000, 3), strides=2, low=2, high=2),
    *_rows("3-D", (1, 4, 5, 4, 2), (2, 3, 2, 2, 3), (2, 14, 14, 14, 2), low=1, strides=(1, 2, 1)),
    *_rows("whole input", (3, 4, 4, 2), (4, 4, 2, 6)),
    *_rows("no batch", (0, 5, 5, 2), (3, 3, 2, 4)),
]

_f = np.zeros
_A = {"strides": (1, 1), "low": (0, 0), "high": (0, 0), "dilation": (1, 1), "groups": 1}
_X, _W, _G = _f((1, 8, 8, 4)), _f((3, 3, 4, 6)), _f((1, 6, 6, 6))
ERRORS: list[ErrorSample] = [
    ErrorSample("conv", (_X, _f((3, 3, 3, 6))), ValueError, "the input has 4 channels", _A),
    ErrorSample("conv", (_X, _W), ValueError, "groups=2 expect 8", _A | {"groups": 2}),
    ErrorSample("conv", (_X, _f((3, 3, 2, 5))), ValueError, "groups=2 must divide the 5", _A | {"groups": 2}),
    ErrorSample("conv", (_X, _W), ValueError, "groups must be >= 1", _A | {"groups": 0}),
    ErrorSample("conv", (_X, _W), ValueError, "strides needs one value >= 1", _A | {"strides": (0, 1)}),
    ErrorSample("conv", (_X, _W), ValueError, "dilation needs one value >= 1", _A | {"dilation": (1,)}),
    ErrorSample("conv", (_X, _W), ValueError, "low needs one value >= 0", _A | {"low": (-1, 0)}),
    ErrorSample("conv", (_X, _f((9, 3, 4, 6))), ValueError, "the filter spans 9", _A),
    ErrorSample("conv", (_f((8, 4)), _f((3, 4))), ValueError, "rank from 3 to 5", _A),
    ErrorSample("conv", (_X, _f((3, 3, 4, 6), "float32")), TypeError, "cast with addax.ops.cast", _A),
    ErrorSample("conv_fused", (_X, _W), ValueError, "no result of the program can be written over",
                _A | of("float64", "cast.float32 0", 1)),
    ErrorSample("conv_fused", (_X, _W), ValueError, "expected 2 inputs, got 1",
                _A | of("float64 float64", "add 0 1", 2)),
    ErrorSample("conv_input_grad", (_G, _W), ValueError, r"must have the spatial dims \(7, 6\)",
                _A | {"input_spatial": (9, 8)}),
    ErrorSample("conv_input_grad", (_G, _W), ValueError, "input_spatial needs one size", _A | {"input_spatial": (8,)}),
    ErrorSample("conv_input_grad", (_f((1, 6, 6, 5)), _W), ValueError, "has 5 channels",
                _A | {"input_spatial": (8, 8)}),
    ErrorSample("conv_filter_grad", (_f((2, 8, 8, 4)), _G), ValueError, "same batch size",
                _A | {"filter_spatial": (3, 3)}),
    ErrorSample("conv_filter_grad", (_X, _G), ValueError, "must have the spatial dims",
                _A | {"filter_spatial": (2, 3)}),
]  # fmt: skip
