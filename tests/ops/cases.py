"""Calls of public ops, as data: the name, the arguments, the dtypes to try. Every case is compared with real Keras.

To add an op: add a row. `T(...)` stands for a tensor argument in the dtype under test.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

FLOATS = ("float32", "float16", "bfloat16")
INTS = ("int32", "int8", "uint8")
NUMBERS = FLOATS + INTS
ALL = (*NUMBERS, "bool")
F32 = ("float32",)
I32 = ("int32",)


@dataclass(frozen=True)
class T:
    """A tensor argument: shape, range of values, and a dtype of its own if not the one under test."""

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    dtype: str | None = None
    values: tuple | None = None

    def numpy(self, dtype: str, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        if self.values is not None:
            return np.array(self.values, "float64").reshape(self.shape)
        dtype = self.dtype or dtype
        if dtype == "bool":
            return rng.integers(0, 2, self.shape).astype(bool)
        if dtype.startswith(("int", "uint")):
            low = max(self.low, 0) if dtype.startswith("u") else self.low
            return rng.integers(int(np.ceil(low)), max(int(self.high) + 1, int(np.ceil(low)) + 1), self.shape)
        return rng.uniform(self.low, self.high, self.shape)


@dataclass(frozen=True)
class Case:
    name: str
    args: tuple = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    dtypes: tuple[str, ...] = F32
    tolerance: float = 1.0  # times the tolerance of the dtype
    symbolic: bool = True  # whether Keras's own op takes KerasTensors in this form

    def __str__(self) -> str:
        return (
            f"{self.name}({', '.join(map(_short, self.args))}{''.join(f', {k}={v}' for k, v in self.kwargs.items())})"
        )


def _short(x: Any) -> str:
    return f"T{list(x.shape)}" if isinstance(x, T) else str(x)


def case(name: str, *args, dtypes=F32, tolerance=1.0, symbolic=True, **kwargs) -> Case:
    return Case(name, args, kwargs, tuple(dtypes), tolerance, symbolic)


A = T((3, 4))
B = T((3, 4), 0.5, 3.0)
V = T((4,), 0.5, 3.0)
P = T((3, 4), 0.1, 3.0)
UNIT = T((3, 4), -0.9, 0.9)
NAN = T((2, 3), values=(1.0, np.nan, 3.0, 4.0, -1.0, np.nan))
NAN_ROW = T((2, 3), values=(1.0, np.nan, 3.0, np.nan, np.nan, np.nan))
WIDE = T((7,), values=(-np.inf, -3.0, -0.0, 0.0, 2.5, np.inf, np.nan))

ELEMENTWISE = [
    *[case(n, A, V, dtypes=ALL) for n in ("add", "multiply", "maximum", "minimum", "logical_and", "logical_or")],
    *[case(n, A, V, dtypes=ALL) for n in ("logical_xor", "equal", "not_equal", "less", "less_equal", "greater")],
    *[case(n, A, V, dtypes=ALL) for n in ("greater_equal", "fmax", "fmin", "arctan2", "hypot")],
    *[case(n, A, V, dtypes=ALL) for n in ("logaddexp", "logaddexp2", "heaviside")],
    *[case(n, A, V, dtypes=NUMBERS) for n in ("subtract",)],
    *[case(n, A, T((4,), 1, 3), dtypes=NUMBERS) for n in ("divide", "true_divide", "divide_no_nan")],
    *[case(n, A, T((4,), 1, 3), dtypes=NUMBERS) for n in ("floor_divide", "mod", "fmod")],
    case("power", T((3, 4), 0.5, 3), V, dtypes=ALL),
    case("power", A, 2, dtypes=ALL),
    case("power", B, 2.5, dtypes=ALL),
    case("power", 2, A, dtypes=FLOATS),
    case("divide_no_nan", A, T((4,), values=(0, 1, 0, 2))),
    *[case(n, A, dtypes=ALL) for n in ("absolute", "abs", "square", "isnan", "isinf", "isfinite", "logical_not")],
    *[case(n, A, dtypes=NUMBERS) for n in ("negative", "sign", "signbit", "fabs")],
    *[
        case(n, A, dtypes=ALL)
        for n in ("exp", "expm1", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arcsinh", "arctan")
    ],
    *[case(n, A, dtypes=ALL) for n in ("floor", "ceil", "trunc", "exp2", "cbrt", "deg2rad", "rad2deg", "sinc", "i0")],
    *[
        case(n, A, dtypes=NUMBERS)
        for n in ("round", "nan_to_num", "conj", "conjugate", "real", "imag", "angle", "isreal")
    ],
    *[case(n, P, dtypes=ALL) for n in ("log", "log1p", "log10", "log2", "sqrt", "reciprocal")],
    case("rsqrt", P, dtypes=FLOATS),
    *[case(n, UNIT, dtypes=FLOATS) for n in ("arcsin", "arccos", "arctanh", "erf", "erfc", "erfinv")],
    case("arccosh", T((3, 4), 1.1, 4.0), dtypes=FLOATS),
    *[
        case(n, WIDE)
        for n in ("exp", "log", "tanh", "isnan", "isinf", "isfinite", "isposinf", "isneginf", "nan_to_num")
    ],
    *[case(n, WIDE) for n in ("sign", "signbit", "floor", "trunc", "round", "abs", "logical_not", "relu", "cbrt")],
    *[case(n, WIDE, WIDE) for n in ("maximum", "fmax", "fmin", "logaddexp", "hypot", "heaviside", "equal")],
    case("round", T((5,), values=(0.5, 1.5, 2.5, -0.5, 1.25)), 1),
    case("round", T((3,), values=(15.0, 25.0, -35.0)), -1),
    case("round", T((3,), values=(15, 25, -35)), -1, dtypes=I32),
    case("clip", A, -1, 1, dtypes=(*FLOATS, "int32")),
    case("clip", A, 0.5, 1.5, dtypes=(*FLOATS, "int32")),
    case("clip", A, T((4,), -1, 0), T((4,), 0, 1)),
    case("nan_to_num", WIDE, nan=7.0, posinf=8.0, neginf=9.0),
    case("isclose", A, A),
    case("isclose", NAN, NAN, equal_nan=True),
    case("isclose", WIDE, WIDE),
    case("allclose", A, A),
    case("allclose", A, B),
    *[case(n, T((6,), 0, 100), T((6,), 1, 60), dtypes=INTS) for n in ("gcd", "lcm") if n == "gcd"],
    case("lcm", T((6,), 0, 100), T((6,), 0, 60), dtypes=I32),
    case("ldexp", A, T((4,), -3, 3, "int32"), dtypes=FLOATS),
    *[case(n, A, T((4,), -2, 2), dtypes=INTS) for n in ("bitwise_and", "bitwise_or", "bitwise_xor")],
    *[case(n, T((6,), 0, 7), T((6,), 0, 3), dtypes=INTS) for n in ("left_shift", "right_shift")],
    *[case(n, T((6,), 0, 7), 2, dtypes=INTS) for n in ("bitwise_left_shift", "bitwise_right_shift")],
    *[case(n, T((6,), -7, 7), dtypes=("int32", "int8", "bool")) for n in ("bitwise_not", "bitwise_invert")],
    case("copy", A),
    case("cast", A, "int32", dtypes=ALL),
    case("cast", A, "float16", dtypes=ALL),
    case("cast", A, "bool", dtypes=ALL),
    case("saturate_cast", T((4,), values=(-1e10, 3e10, 1.5, 300)), "int32"),
    case("saturate_cast", T((4,), values=(-1, 300, 5, 127)), "uint8", dtypes=I32),
    case("stop_gradient", A),
    case("where", T((3, 4), dtype="bool"), A, B, dtypes=ALL),
    case("where", T((3, 4), dtype="bool"), A, 1.5, dtypes=ALL),
    case("where", T((3, 4), dtype="bool"), 1, A, dtypes=ALL),
    case("select", [T((4,), dtype="bool"), T((4,), dtype="bool")], [T((4,)), T((4,))], 3.0, symbolic=False),
]

ACTIVATIONS = [
    *[
        case(n, A, dtypes=(*FLOATS, "int32"))
        for n in ("relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "hard_sigmoid")
    ],
    *[
        case(n, A, dtypes=(*FLOATS, "int32"))
        for n in ("hard_silu", "hard_tanh", "tanh_shrink", "soft_shrink", "hard_shrink")
    ],
    *[
        case(n, A, dtypes=FLOATS)
        for n in ("sigmoid", "silu", "swish", "hard_swish", "log_sigmoid", "softplus", "softsign")
    ],
    *[case(n, A, dtypes=FLOATS) for n in ("sparse_plus", "sparse_sigmoid", "squareplus", "glu")],
    case("relu", A, dtypes=NUMBERS),
    case("leaky_relu", A, 0.01),
    case("elu", A, 0.5),
    case("celu", A, 0.5),
    case("gelu", A, False, dtypes=FLOATS),
    case("soft_shrink", A, 1.0),
    case("hard_shrink", A, 1.0),
    case("squareplus", A, 2),
    case("glu", T((4, 3)), 0),
    case("threshold", A, 0.5, -1.0),
    *[case(n, A, dtypes=FLOATS) for n in ("softmax", "log_softmax")],
    *[case(n, T((2, 3, 4)), axis) for n in ("softmax", "log_softmax") for axis in (0, 1, (0, 2), None)],
    case("softmax", T((3,), values=(1000.0, 0.0, -1000.0))),
    case("log_softmax", T((3,), values=(1000.0, 0.0, -1000.0))),
]

_AXES = [{}, {"axis": 0}, {"axis": -1}, {"axis": (0, 1)}, {"axis": 1, "keepdims": True}, {"axis": (), "keepdims": True}]

REDUCTIONS = [
    *[case(n, A, dtypes=ALL, **k) for n in ("sum", "mean", "any", "all") for k in _AXES],
    *[case(n, T((2, 3), 1, 2), dtypes=NUMBERS, tolerance=4, **k) for n in ("prod",) for k in _AXES],
    *[case(n, A, dtypes=NUMBERS, **k) for n in ("max", "min", "amax", "amin") for k in _AXES],
    *[case(n, A, dtypes=(*FLOATS, "int32"), tolerance=2, **k) for n in ("var", "std") for k in _AXES[:-1]],
    *[case("ptp", A, **k) for k in _AXES[:-1]],
    *[case("logsumexp", A, dtypes=FLOATS, **k) for k in _AXES[:-1]],
    case("logsumexp", T((3,), values=(1000.0, 1000.0, -np.inf))),
    *[
        case(n, A, dtypes=NUMBERS, **k)
        for n in ("argmax", "argmin")
        for k in (*_AXES[:3], _AXES[4], {"keepdims": True})
    ],
    *[case(n, NAN, **k) for n in ("max", "min", "argmax", "argmin", "sum") for k in _AXES[:3]],
    case("max", A, initial=1.5),
    case("min", A, axis=0, initial=-1.5),
    case("max", T((0, 3)), axis=0, initial=2.0, symbolic=False),
    case("count_nonzero", T((3, 4), 0, 2), dtypes=ALL),
    case("count_nonzero", T((3, 4), 0, 2), axis=1, dtypes=I32),
    *[case(n, A, dtypes=ALL, **k) for n in ("cumsum",) for k in _AXES[:3]],
    *[case(n, T((2, 3), 1, 2), dtypes=NUMBERS, **k) for n in ("cumprod",) for k in _AXES[:3]],
    case("cumsum", A, axis=0, dtype="float32", dtypes=INTS),
    case("prod", T((2, 3), 1, 2), dtype="float32", dtypes=INTS),
    case("moments", A, [0], dtypes=FLOATS),
    case("moments", A, (0, 1), keepdims=True),
    case("average", A),
    case("average", A, axis=1, weights=T((4,), 0.1, 1)),
    case("average", A, axis=0, weights=T((3, 4), 0.1, 1)),
    case("average", A, weights=T((3, 4), 0.1, 1)),
    case("trapezoid", A),
    case("trapezoid", A, dx=0.5, axis=0),
    case("trapezoid", A, x=T((4,), 0, 1)),
    *[
        case(n, x, **k)
        for n in ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar", "nanstd")
        for x in (NAN, NAN_ROW)
        for k in ({"axis": 1}, {}, {"axis": 1, "keepdims": True})
    ],
    *[case(n, T((4,), 1, 3), dtypes=INTS) for n in ("nansum", "nanprod", "nanmax", "nanmin", "nanmean", "nanvar")],
    *[case(n, x, **k) for n in ("nanargmax", "nanargmin") for x in (NAN, NAN_ROW) for k in ({"axis": 1}, {})],
    *[case(n, NAN, **k) for n in ("nancumsum", "nancumprod") for k in ({"axis": 1}, {})],
    *[case("quantile", A, q, dtypes=("float32", "int32"), **k) for q in (0.3, [0.1, 0.5, 1.0]) for k in _AXES[:-1]],
    *[case("quantile", T((5,)), 0.3, method=m) for m in ("lower", "higher", "midpoint", "nearest")],
    *[case("quantile", T((5,)), [0.0, 0.125, 0.375, 0.5, 0.625], method="nearest")],
    case("percentile", A, 30, axis=1),
    case("median", A, dtypes=("float32", "float16", "int32")),
    case("median", A, axis=(0, 1), keepdims=True),
    case("median", T((2, 3)), axis=1),
    *[
        case(n, x, *q, **k)
        for n, q in (("nanmedian", ()), ("nanquantile", (0.4,)), ("nanpercentile", (40,)))
        for x in (NAN, NAN_ROW)
        for k in ({"axis": 1}, {})
    ],
    case("median", NAN, axis=1),
    case("quantile", NAN, 0.5),
]

M = T((2, 3, 4))
MOVEMENT = [
    case("reshape", A, (4, 3), dtypes=ALL),
    case("reshape", A, (2, -1)),
    case("reshape", A, -1),
    case("ravel", M),
    case("transpose", M),
    case("transpose", M, (1, 0, 2)),
    case("transpose", M, axes=[-1, 0, 1]),
    case("swapaxes", M, 0, -1),
    case("moveaxis", M, 0, -1),
    case("moveaxis", M, (0, 1), (2, 0)),
    case("expand_dims", A, 0),
    case("expand_dims", A, (0, -1)),
    case("expand_dims", A, [1]),
    case("squeeze", T((1, 3, 1)), symbolic=False),  # an unknown dim is not of size 1
    case("squeeze", T((1, 3, 1)), axis=(0, 2)),
    case("squeeze", T((1, 3, 1)), axis=-1),
    case("broadcast_to", T((3, 1)), (2, 3, 4)),
    case("concatenate", [A, T((2, 4))], axis=0, dtypes=ALL),
    case("concatenate", [A, T((3, 1)), T((3, 2))], axis=-1),
    case("concatenate", [A, T((2, 4), dtype="float16")], axis=0, dtypes=(*FLOATS, *INTS)),
    case("stack", [A, B], axis=0),
    case("stack", [A, B], axis=-1),
    case("stack", [A, T((3, 4), dtype="int32")], axis=1, dtypes=(*FLOATS, *INTS)),
    case("unstack", M, axis=1),
    case("unstack", M, 2),
    case("append", A, B),
    case("append", A, T((2, 4)), axis=0),
    case("hstack", [A, T((3, 2))]),
    case("hstack", [V, V]),
    case("vstack", [V, V]),
    case("vstack", [A, A]),
    case("dstack", [V, V]),
    case("dstack", [A, A]),
    case("split", T((6, 2)), 3),
    case("split", T((6, 2)), [2, 3], axis=0),
    case("split", T((6, 2)), 2, axis=-1),
    case("array_split", T((7, 2)), 3),
    case("hsplit", A, 2),
    case("vsplit", T((4, 2)), 2),
    case("dsplit", T((2, 3, 4)), 2),
    case("flip", M),
    case("flip", M, axis=(0, 2)),
    case("flip", M, axis=-1),
    case("fliplr", A),
    case("flipud", A),
    *[case("rot90", A, k) for k in (0, 1, 2, 3, -1)],
    case("rot90", M, 1, axes=(1, 2)),
    case("roll", A, 1),
    case("roll", A, -2, axis=1),
    case("roll", A, (1, 2), axis=(0, 1)),
    case("tile", V, 2),
    case("tile", A, (2, 1)),
    case("tile", A, (2, 1, 3)),
    case("tile", M, (2, 2)),
    case("repeat", A, 2),
    case("repeat", A, 2, axis=1),
    case("pad", A, 1, dtypes=ALL),
    case("pad", A, ((1, 0), (0, 2)), constant_values=5.0, dtypes=(*FLOATS, "int32")),
    *[
        case("pad", A, ((1, 2), (2, 1)), mode=m, dtypes=("float32", "int32"))
        for m in ("reflect", "symmetric", "edge", "wrap")
    ],
    *[case(n, A, k, dtypes=ALL) for n in ("tril", "triu") for k in (0, 1, -1)],
    case("tril", M),
    # The shorter of an unknown and a known dim is taken to be the known one: no symbolic calls.
    *[case("diagonal", A, k, symbolic=False) for k in (0, 1, -1, 3)],
    case("diagonal", M, offset=1, axis1=1, axis2=2),
    case("diagonal", M, axis1=-1, axis2=0, symbolic=False),
    case("trace", A, dtypes=ALL),
    case("trace", M, axis1=1, axis2=2),
    *[case("diag", A, k, symbolic=False) for k in (0, 1, -1)],
    *[case("diag", V, k) for k in (0, 1, -2)],
    case("diagflat", A, 1),
    case("diff", A, dtypes=ALL),
    case("diff", A, n=2, axis=0),
    case("depth_to_space", T((2, 3, 3, 8)), 2),
    case("depth_to_space", T((2, 8, 3, 3)), 2, data_format="channels_first"),
    case("space_to_depth", T((2, 4, 6, 3)), 2),
    case("space_to_depth", T((2, 3, 4, 6)), 2, data_format="channels_first"),
    case("unfold", T((1, 2, 5, 6)), 2),
    case("unfold", T((2, 2, 5, 6)), (2, 3), dilation=(2, 1), padding=1, stride=(1, 2)),
    case("fold", T((2, 8, 9)), 4, 2),
    case("fold", T((1, 12, 9)), (5, 6), (2, 3), dilation=(2, 1), padding=1, stride=(2, 2)),
    case("rearrange", M, "a b c -> (a b) c"),
    case("rearrange", T((6, 4)), "(a b) c -> c b a", a=2),
    case("slice", A, (1, 1), (2, 2)),
    case("slice", A, (2, 3), (2, 2)),
    case("slice", A, (1, 1), (-1, 2), symbolic=False),
    case("slice_update", A, (1, 1), T((2, 2))),
    case("slice_update", A, (2, 3), T((2, 2))),
    case("zeros_like", A, dtypes=ALL),
    case("ones_like", A, dtype="int32"),
    case("full_like", A, 2.5, dtypes=(*FLOATS, "int32")),
    case("meshgrid", V, T((2,)), symbolic=False),
    case("meshgrid", V, T((2,)), T((3,)), indexing="ij", symbolic=False),
    case("vander", V),
    case("vander", V, 3, increasing=True),
]

CREATION = [
    case("zeros", (2, 3)), case("ones", (2, 3), dtype="int8"), case("full", (2, 3), 7), case("full", (2,), True),
    case("full", (2, 3), T((3,))), case("full", (2,), 2.7, dtype="int32"),
    case("eye", 3), case("eye", 2, 3, 1), case("eye", 3, k=-1, dtype="int32"), case("identity", 2),
    case("tri", 3), case("tri", 2, 4, 1), case("tri", 3, k=-1),
    case("arange", 5), case("arange", 2, 7, 2), case("arange", 5.0), case("arange", 0, 1, 0.25),
    case("arange", 3, dtype="float32"), case("arange", 5, 0, -2), case("arange", 5, 2),
    case("linspace", 0, 1), case("linspace", 2, 3, 5), case("linspace", 2, 3, 5, endpoint=False),
    case("linspace", 0, 1, 1), case("linspace", 0, 10, 5, dtype="int32"), case("linspace", 0, 1, 5, retstep=True),
    case("linspace", T((3,)), T((3,)), 4), case("linspace", T((3,)), T((3,)), 4, axis=-1),
    case("linspace", 0, 1, 4, dtype="float16"),
    case("logspace", 0, 3, 4), case("logspace", 0, 3, 4, base=2), case("geomspace", 1, 1000, 4), case("geomspace", -1, -8, 4),
    *[case(n, k) for n in ("bartlett", "hanning", "hamming", "blackman") for k in (1, 5, 8)],
    case("kaiser", 5, 3.0), case("kaiser", 8, 14.0), case("kaiser", 1, 3.0),
]  # fmt: skip

INDEX = [
    case("take", A, T((2,), 0, 11, "int32"), dtypes=ALL),
    case("take", A, T((2, 2), 0, 2, "int32"), axis=0),
    case("take", A, T((2, 2), -4, 3, "int32"), axis=1),
    case("take", A, 1, axis=-1),
    case("take_along_axis", A, T((3, 2), 0, 3, "int32"), axis=1),
    case("take_along_axis", A, T((1, 4), 0, 2, "int32"), axis=0),
    case("take_along_axis", A, T((5,), 0, 11, "int32")),
    case("scatter", T((3, 1), values=(0, 2, 0), dtype="int32"), T((3,)), (4,)),
    case("scatter", T((2, 2), values=(0, 1, 2, 3), dtype="int32"), T((2,)), (3, 4)),
    case("scatter", T((2, 1), values=(0, 2), dtype="int32"), T((2, 4)), (3, 4)),
    *[case("scatter_update", A, T((3, 1), values=(0, 2, 0), dtype="int32"), T((3, 4)), reduction=r)
      for r in (None, "add", "max", "min", "mul")],
    case("scatter_update", A, T((2, 2), values=(0, 1, 2, 3), dtype="int32"), T((2,))),
    *[case("scatter_update", A, T((4, 2), values=(0, 1, 2, 3, 0, 1, 0, -1), dtype="int32"), T((4,)), reduction=r)
      for r in ("add", "max", "min", "mul")],
    case("one_hot", T((3,), 0, 3, "int32"), 4),
    case("one_hot", T((2, 3), -1, 5, "int32"), 4, axis=1),
    case("one_hot", T((3,), 0, 3, "int32"), 4, dtype="bool"),
    case("multi_hot", T((3,), 0, 3, "int32"), 4),
    case("multi_hot", T((2, 3), 0, 3, "int32"), 4),
    case("multi_hot", T((2, 3), 0, 3, "int32"), 4, axis=0, symbolic=False),
    case("unravel_index", T((3,), 0, 23, "int32"), (2, 3, 4)),
    case("nonzero", T((3, 4), 0, 1), dtypes=("int32", "bool"), symbolic=False),
    *[case(f"segment_{n}", T((5, 2)), T((5,), values=(0, 0, 2, 1, 2), dtype="int32"), 4, dtypes=("float32", "int32"))
      for n in ("sum", "max", "min", "prod")],
    case("segment_sum", T((5,)), T((5,), values=(0, -1, 2, 7, 2), dtype="int32"), 3),
    case("extract_sequences", T((2, 10)), 3, 2),
    case("extract_sequences", T((10,)), 4, 1),
    case("sort", A, dtypes=ALL), case("sort", A, axis=0), case("sort", A, axis=None), case("sort", NAN),
    case("argsort", A, dtypes=NUMBERS), case("argsort", A, axis=0), case("argsort", A, axis=None),
    case("top_k", A, 2), case("top_k", A, 2, dtypes=I32, symbolic=False),
    case("in_top_k", T((3,), 0, 3, "int32"), A, 2),
    *[case("searchsorted", T((5,), values=(-1, 0, 0, 1, 2)), T((2, 3)), side=s) for s in ("left", "right")],
    case("digitize", A, T((3,), values=(-1, 0, 1))),
    case("isin", T((6,), 0, 5), T((3,), 0, 5), dtypes=("int32", "float32")),
    case("isin", T((6,), 0, 5), T((3,), 0, 5), dtypes=I32, invert=True),
    case("unique", T((8,), 0, 4), dtypes=I32, symbolic=False),
    case("unique", T((8,), 0, 4), dtypes=I32, return_index=True, return_inverse=True, return_counts=True, symbolic=False),
    case("unique", T((8,), 0, 2), dtypes=I32, size=5, fill_value=9, return_counts=True, symbolic=False),
    case("unique", T((4, 2), 0, 1), dtypes=I32, axis=0, symbolic=False),
    case("bincount", T((6,), 0, 4, "int32"), symbolic=False),
    case("bincount", T((2, 6), 0, 4, "int32"), minlength=7, symbolic=False),
    case("bincount", T((6,), 0, 4, "int32"), weights=T((6,)), symbolic=False),
    case("histogram", T((20,)), bins=5, symbolic=False),
    case("histogram", T((20,)), bins=4, range=(-1, 1), symbolic=False),
]  # fmt: skip

PRODUCTS = [
    *[case("matmul", a, b, dtypes=NUMBERS, tolerance=4) for a, b in (
        (T((3, 4)), T((4, 2))), (T((4,)), T((4, 2))), (T((3, 4)), T((4,))), (T((4,)), T((4,))),
        (T((2, 3, 4)), T((4, 5))), (T((2, 1, 3, 4)), T((5, 4, 2))))],
    case("matmul", T((3, 4)), T((4, 2), dtype="float16"), dtypes=("float32", "bfloat16", "int32"), tolerance=4),
    *[case("dot", a, b, dtypes=("float32", "int8"), tolerance=4) for a, b in (
        (T((3, 4)), T((4, 2))), (T((4,)), T((4,))), (T((2, 3, 4)), T((4,))), (T((2, 3, 4)), T((5, 4, 2))), (T(()), A))],
    *[case("tensordot", T((2, 3, 4)), b, axes=x, tolerance=4) for b, x in (
        (T((3, 4, 5)), 2), (T((4, 5)), 1), (T((4, 3, 5)), ([1, 2], [1, 0])), (T((2, 2)), 0))],
    case("tensordot", T((2, 3)), T((3, 2)), 1, dtypes=("int8", "float16"), tolerance=4),
    *[case("einsum", s, *[T(x) for x in shapes], tolerance=4) for s, shapes in (
        ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("ij->ji", [(2, 3)]), ("ij->", [(2, 3)]),
        ("ii->i", [(3, 3)]), ("ii", [(3, 3)]), ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]), ("...ij,jk->...ik", [(2, 3, 4), (4, 5)]),
        ("i,j->ij", [(2,), (3,)]), ("bhqd,bhkd->bhqk", [(2, 2, 3, 4), (2, 2, 5, 4)]), ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)]),
        ("ab,bc,ac->a", [(2, 3), (3, 4), (2, 4)]), ("b...,b...->...", [(2, 3), (2, 3)]), ("ij,ij->i", [(2, 3), (2, 3)]),
        ("...i,...i->...", [(2, 1, 3), (4, 3)]))],
    case("einsum", "ij,jk->ik", T((2, 3)), T((3, 2)), dtypes=("int8", "float16", "int32"), tolerance=4),
    case("inner", T((2, 3)), T((4, 3)), tolerance=4), case("inner", T((3,)), T((3,)), dtypes=("int8", "float32"), tolerance=4),
    case("outer", T((2, 2)), T((3,)), dtypes=NUMBERS), case("vdot", T((2, 3)), T((2, 3)), dtypes=("float32", "int8"), tolerance=4),
    case("kron", T((2, 3)), T((2, 2))), case("kron", T((2,)), T((3, 2)), symbolic=False),
    case("cross", T((4, 3)), T((4, 3)), tolerance=4), case("cross", T((4, 2)), T((4, 2)), tolerance=4, symbolic=False),
    case("cross", T((3, 4)), T((3, 4)), axis=0, tolerance=4, symbolic=False),
    case("cdist", T((3, 2)), T((4, 2)), tolerance=4), case("cdist", T((2, 3, 2)), T((2, 4, 2)), tolerance=4),
    *[case("correlate", T((n,)), T((m,)), mode=k, tolerance=4, symbolic=False)
      for n, m in ((5, 3), (3, 5), (4, 4), (5, 2)) for k in ("valid", "same", "full")],
    case("corrcoef", T((3, 8)), tolerance=8), case("corrcoef", T((8,)), tolerance=8, symbolic=False),
    *[case("norm", A, **k, tolerance=2) for k in (
        {}, {"ord": 1}, {"ord": -1}, {"ord": np.inf}, {"ord": -np.inf}, {"ord": "fro"}, {"axis": 1}, {"axis": 0, "ord": 1},
        {"axis": 1, "ord": 3}, {"axis": 1, "ord": np.inf, "keepdims": True}, {"axis": 1, "ord": 0}, {"axis": (0, 1), "ord": 1})],
    case("norm", M, ord=1, axis=(0, 2), keepdims=True, tolerance=2), case("norm", A, dtypes=("int32", "float16")),
    *[case("normalize", A, **k) for k in ({}, {"axis": 0}, {"order": 1}, {"order": 3}, {"axis": (0, 1)})],
    case("normalize", T((2, 2), values=(0, 0, 3, 4))),
]  # fmt: skip

IMAGE = T((6, 6, 7, 4), -1, 1)
SIGNAL = T((2, 9, 4), -1, 1)
_CONVS = [{}, {"strides": 2}, {"padding": "same"}, {"padding": "same", "strides": (2, 3)}, {"dilation_rate": 2},
          {"padding": "same", "dilation_rate": (1, 2)}]  # fmt: skip
NETWORK = [
    *[case("conv", IMAGE, T((3, 2, 4, 5), -1, 1), tolerance=8, **k) for k in _CONVS],
    case("conv", IMAGE, T((3, 2, 2, 6), -1, 1), tolerance=8),
    case("conv", IMAGE, T((3, 2, 4, 5), -1, 1), dtypes=("float16", "bfloat16"), tolerance=4),
    case("conv", T((2, 4, 6, 7), -1, 1), T((3, 2, 4, 5), -1, 1), data_format="channels_first", tolerance=8),
    case("conv", SIGNAL, T((3, 4, 5), -1, 1), padding="same", tolerance=8),
    case("conv", T((1, 4, 5, 3, 2), -1, 1), T((2, 2, 2, 2, 3), -1, 1), strides=(1, 2, 1), tolerance=8),
    *[case("depthwise_conv", IMAGE, T((3, 2, 4, 2), -1, 1), tolerance=8, **k) for k in ({}, {"strides": 2, "padding": "same"}, {"dilation_rate": 2})],
    case("separable_conv", IMAGE, T((3, 2, 4, 2), -1, 1), T((1, 1, 8, 3), -1, 1), tolerance=8),
    *[case("conv_transpose", IMAGE, T((k, 2, 5, 4), -1, 1), strides=s, padding=p, output_padding=o, tolerance=8)
      for k in (2, 3, 4, 5) for s in (1, 2, 3) for p in ("valid", "same") for o in (None, 0, 1) if o is None or o < s],
    case("conv_transpose", IMAGE, T((3, 2, 5, 4), -1, 1), dilation_rate=2, padding="same", tolerance=8),
    case("conv_transpose", SIGNAL, T((3, 5, 4), -1, 1), strides=2, tolerance=8),
    case("conv_transpose", T((2, 4, 6, 7), -1, 1), T((3, 2, 5, 4), -1, 1), data_format="channels_first", tolerance=8),
    *[case(n, IMAGE, 2, strides=s, padding=p) for n in ("max_pool", "average_pool") for s in (1, 3) for p in ("valid", "same")],
    *[case(n, IMAGE, (3, 2), strides=(2, 1), padding="same") for n in ("max_pool", "average_pool")],
    *[case(n, SIGNAL, 3, strides=2) for n in ("max_pool", "average_pool")],
    *[case(n, T((2, 4, 6, 7)), 2, strides=1, data_format="channels_first") for n in ("max_pool", "average_pool")],
    *[case(n, IMAGE, s) for n in ("adaptive_average_pool", "adaptive_max_pool") for s in (1, 2, 4, (3, 5))],
    *[case(n, T((2, 4, 6, 7)), 3, data_format="channels_first") for n in ("adaptive_average_pool", "adaptive_max_pool")],
    case("batch_normalization", A, T((4,)), T((4,), 0.5, 2), -1),
    case("batch_normalization", A, T((4,)), T((4,), 0.5, 2), 1, T((4,)), T((4,)), 0.1),
    case("batch_normalization", IMAGE, T((6,)), T((6,), 0.5, 2), 1, scale=T((6,))),
    case("layer_normalization", A, dtypes=FLOATS, tolerance=4),
    case("layer_normalization", A, T((4,)), T((4,)), epsilon=0.1),
    case("layer_normalization", M, T((3, 4)), T((3, 4)), axis=(1, 2), tolerance=4),
    case("layer_normalization", M, T((3,)), axis=1, tolerance=4),
    case("rms_normalization", A, dtypes=FLOATS, tolerance=4),
    case("rms_normalization", A, T((4,)), epsilon=0.1),
    case("rms_normalization", T((2, 3, 4)), T((3, 1)), axis=1, tolerance=4),
    case("rms_normalization", T((2, 3, 4)), T((4,)), axis=(1, 2), tolerance=4),
    case("binary_crossentropy", T((3, 4), 0, 1), T((3, 4), 0, 1), dtypes=("float32", "float16"), tolerance=4),
    case("binary_crossentropy", T((3, 4), 0, 1), A, from_logits=True, dtypes=FLOATS, tolerance=4),
    case("binary_crossentropy", T((2,), values=(0, 1)), T((2,), values=(1, 0))),
    case("binary_crossentropy", T((2,), values=(0, 1)), T((2,), values=(100, -100)), from_logits=True),
    case("categorical_crossentropy", T((3, 4), 0, 1), T((3, 4), 0.1, 1)),
    case("categorical_crossentropy", T((3, 4), 0, 1), A, from_logits=True, dtypes=FLOATS, tolerance=4),
    case("categorical_crossentropy", T((3, 4), 0, 1), A, from_logits=True, axis=0, tolerance=4),
    case("sparse_categorical_crossentropy", T((3,), 0, 3, "int32"), T((3, 4), 0.1, 1)),
    case("sparse_categorical_crossentropy", T((3,), 0, 3, "int32"), A, from_logits=True, tolerance=4),
    case("sparse_categorical_crossentropy", T((3, 1), 0, 3, "int32"), A, from_logits=True, tolerance=4),
    case("sparse_categorical_crossentropy", T((2, 3), 0, 3, "int32"), M, from_logits=True, tolerance=4),
    case("psnr", A, B, 2.0),
    case("dot_product_attention", T((2, 3, 4, 5)), T((2, 6, 2, 5)), T((2, 6, 2, 5)), dtypes=("float32", "float16"), tolerance=4),
    case("dot_product_attention", T((2, 3, 2, 5)), T((2, 3, 2, 5)), T((2, 3, 2, 5)), is_causal=True, tolerance=4),
    case("dot_product_attention", T((2, 3, 2, 5)), T((2, 4, 2, 5)), T((2, 4, 2, 5)), mask=T((2, 2, 3, 4), dtype="bool"),
         bias=T((2, 2, 3, 4)), scale=0.3, tolerance=4),
]  # fmt: skip

CASES = [*ELEMENTWISE, *ACTIVATIONS, *REDUCTIONS, *MOVEMENT, *CREATION, *INDEX, *PRODUCTS, *NETWORK]
