"""elementwise: rows over arrays that broadcast. They are computed in the result's dtype."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from addax.engine import result_type
from addax.export.graph import Spec
from addax.export.onnx.table import Builder, Value, numpy_dtype, row

_FLOATS = ("float16", "bfloat16", "float32", "float64")
_BOUNDS: dict[str, tuple[float, float | None]] = {
    "int8": (-128, 127),
    "int16": (-(2**15), 2**15 - 1),
    "uint8": (0, 255),
    "uint16": (0, 2**16 - 1),
    "uint32": (0, None),
    "uint64": (0, None),
}
_UNSIGNED = {"int8": "uint8", "int16": "uint16", "int32": "uint32", "int64": "uint64"}


def _is_float(x: Value) -> bool:
    return x.dtype in _FLOATS


def _scalars(b: Builder, inputs: Sequence[Value], shape: Sequence) -> list[Value]:
    """Fills as scalars, where the other inputs have all dims of the result."""
    others = [x for x in inputs if x.fill is None]
    if any(x.shape is None for x in others):
        return list(inputs)

    def covered(axis: int) -> bool:
        return any(axis < x.rank and x.shape[x.rank - 1 - axis] != 1 for x in others if x.shape is not None)

    rank = len(shape)
    if not others or max(x.rank for x in others) < rank:
        return list(inputs)
    if not all(shape[rank - 1 - axis] == 1 or covered(axis) for axis in range(rank)):
        return list(inputs)
    return [x if x.fill is None else b.const(x.fill) for x in inputs]


def _row(name: str, function: Callable, wide: bool = False, integers: str = "") -> None:
    """A row computed in the dtype of its result."""

    def lowering(b: Builder, *inputs: Value, out: list[Spec]) -> Value:
        given = [b.cast(x, out[0].dtype) for x in inputs]
        return function(b, *_scalars(b, given, out[0].shape))

    lowering.__name__ = name
    row(lowering, wide=wide, integers=integers)


def _test(name: str, function: Callable) -> None:
    """A row that answers with bool, computed in the promoted dtype of its inputs."""

    def lowering(b: Builder, *inputs: Value, out: list[Spec]) -> Value:
        dtype = result_type(*(x.dtype for x in inputs))
        return function(b, *_scalars(b, [b.cast(x, dtype) for x in inputs], out[0].shape))

    lowering.__name__ = name
    row(lowering)


def _node(op: str, **attrs: Any) -> Callable:
    return lambda b, *inputs: b(op, *inputs, **attrs)


def _compare(op: str) -> Callable:
    def function(b: Builder, x: Value, y: Value) -> Value:
        if x.dtype == "bool" and op != "Equal":  # an order of bools is one of numbers
            x, y = b.cast(x, "int32"), b.cast(y, "int32")
        return b(op, x, y, dtype="bool")

    return function


def _not(b: Builder, x: Value) -> Value:
    return b("Not", x)


def _square(b: Builder, x: Value) -> Value:
    return b("Mul", x, x)


def _logic(op: str, of_bools: str) -> Callable:
    return lambda b, x, y: b(of_bools if x.dtype == "bool" else op, x, y)


def _bits(op: str, of_bools: str) -> Callable:
    return lambda b, *inputs: b(of_bools if inputs[0].dtype == "bool" else op, *inputs)


def _unless_whole(op: str) -> Callable:
    return lambda b, x: b(op, x) if _is_float(x) else x


def _absolute(b: Builder, x: Value) -> Value:
    return x if x.dtype == "bool" else b("Abs", x)


def _trunc(b: Builder, x: Value) -> Value:
    return (
        b("Where", b("Less", x, 0.0, dtype="bool"), b("Ceil", x), b("Floor", x), dtype=x.dtype) if _is_float(x) else x
    )


def _rsqrt(b: Builder, x: Value) -> Value:
    return b("Reciprocal", b("Sqrt", x))


def _expm1(b: Builder, x: Value) -> Value:
    """Near 0 by 2 tanh(x/2) / (1 - tanh(x/2)), which loses no digits there."""
    half = b("Tanh", b("Mul", x, 0.5))
    near = b("Div", b("Mul", half, 2.0), b("Sub", _one(b, x), half))
    return b("Where", b("Less", b("Abs", x), 1.0, dtype="bool"), near, b("Sub", b("Exp", x), 1.0), dtype=x.dtype)


def _log1p(b: Builder, x: Value) -> Value:
    """With u = 1 + x as rounded: log(u) * (x / (u - 1)) makes up for what rounding took."""
    u = b("Add", x, 1.0)
    fixed = b("Mul", b("Log", u), b("Div", x, b("Sub", u, 1.0)))
    same = b("Or", b("Equal", u, 1.0, dtype="bool"), b("Equal", u, math.inf, dtype="bool"))
    return b("Where", same, x, fixed, dtype=x.dtype)


def _one(b: Builder, x: Value) -> Value:
    return b.const(np.ones((), numpy_dtype(x.dtype)))


def _atan2(b: Builder, y: Value, x: Value) -> Value:
    angle = b("Atan", b("Div", y, x))
    left = b("Less", x, 0.0, dtype="bool")
    below = b("Or", b("Less", y, 0.0, dtype="bool"), b("Less", b("Reciprocal", y), 0.0, dtype="bool"))  # -0 as well
    half_turn = b("Where", below, b.value(-math.pi, x.dtype), math.pi, dtype=x.dtype)
    quarter = b("Mul", b("Sign", y), math.pi / 2)
    right = b("Where", b("Equal", x, 0.0, dtype="bool"), quarter, angle, dtype=x.dtype)
    return b("Where", left, b("Add", angle, half_turn), right, dtype=x.dtype)


# By M. Giles, "Approximating the erfinv function", 2011: two polynomials in w = -log(1 - x*x).
_CENTRAL = (
    2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164,
    0.246640727, 1.50140941,
)  # fmt: skip
_TAIL = (
    -0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047,
    1.00167406, 2.83297682,
)  # fmt: skip


def _polynomial(b: Builder, w: Value, factors: Sequence[float]) -> Value:
    total = b("Add", b("Mul", w, factors[0]), factors[1])
    for factor in factors[2:]:
        total = b("Add", b("Mul", total, w), factor)
    return total


def _erfinv(b: Builder, x: Value) -> Value:
    w = b("Neg", _log1p(b, b("Neg", b("Mul", x, x))))
    central = _polynomial(b, b("Sub", w, 2.5), _CENTRAL)
    tail = _polynomial(b, b("Sub", b("Sqrt", w), 3.0), _TAIL)
    near = b("Where", b("Less", w, 5.0, dtype="bool"), central, tail, dtype=x.dtype)
    edge = b("Equal", b("Abs", x), 1.0, dtype="bool")
    return b("Where", edge, b("Mul", x, math.inf), b("Mul", near, x), dtype=x.dtype)


def _gelu_slope(b: Builder, x: Value) -> Value:
    x = b("Clip", x, -40.0, 40.0)
    density = b("Mul", b("Exp", b("Mul", b("Mul", x, x), -0.5)), 0.3989422804014327)
    below = b("Mul", b("Add", b("Erf", b("Mul", x, 0.7071067811865476)), 1.0), 0.5)
    return b("Add", below, b("Mul", x, density))


def _gelu_tanh(b: Builder, x: Value) -> Value:
    if x.dtype != "float64":
        return b("Gelu", x, approximate="tanh")
    # onnxruntime's constants for it are of float32.
    inner = b("Mul", x, b("Add", b("Mul", b("Mul", x, x), 0.7978845608028654 * 0.044715), 0.7978845608028654))
    return b("Mul", b("Mul", x, b("Add", b("Tanh", inner), 1.0)), 0.5)


def _power(b: Builder, x: Value, y: Value) -> Value:
    """Integers that overflow, and negative exponents of them, ONNX leaves open."""
    return (
        b("Pow", x, y)
        if _is_float(x) or x.dtype in ("int32", "int64")
        else b.cast(b("Pow", b.cast(x, "int64"), b.cast(y, "int64")), x.dtype)
    )


def _cross_entropy(b: Builder, x: Value, z: Value) -> Value:
    rest = _softplus(b, b("Neg", b("Abs", x)))
    return b("Add", b("Sub", b("Relu", x), b("Mul", x, z)), rest)


def _softplus(b: Builder, x: Value) -> Value:
    if x.dtype != "float64":
        return b("Softplus", x)
    # onnxruntime has none of float64.
    return b("Add", b("Relu", x), _log1p(b, b("Exp", b("Neg", b("Abs", x)))))


def _is_nonzero(b: Builder, x: Value) -> Value:
    return b("Not", b("Equal", x, 0, dtype="bool"))


def _signs_differ(b: Builder, x: Value, y: Value) -> Value:
    return b("Xor", b("Less", x, 0, dtype="bool"), b("Less", y, 0, dtype="bool"))


def _remainder(b: Builder, x: Value, y: Value) -> Value:
    """With the sign of y; integers give 0 where y is 0."""
    if _is_float(x):
        rest = b("Mod", x, y, fmod=1)
        wrong = b("And", _is_nonzero(b, rest), _signs_differ(b, rest, y))
        return b("Where", wrong, b("Add", rest, y), rest, dtype=x.dtype)
    if y.const is not None and y.const.all():
        return b("Mod", x, y)
    nothing = b("Equal", y, 0, dtype="bool")
    return b("Where", nothing, b.value(0, x.dtype), b("Mod", x, _safe(b, nothing, y)), dtype=x.dtype)


def _safe(b: Builder, nothing: Value, y: Value) -> Value:
    return b("Where", nothing, _one(b, y), y, dtype=y.dtype)


def _floor_divide(b: Builder, x: Value, y: Value) -> Value:
    if _is_float(x):
        rest = b("Mod", x, y, fmod=1)
        quotient = b("Div", b("Sub", x, rest), y)
        wrong = b("And", _is_nonzero(b, rest), _signs_differ(b, rest, y))
        whole = b("Round", b("Where", wrong, b("Sub", quotient, 1.0), quotient, dtype=x.dtype))
        return b("Where", b("Equal", y, 0.0, dtype="bool"), b("Div", x, y), whole, dtype=x.dtype)
    nothing = b("Equal", y, 0, dtype="bool")
    safe = y if y.const is not None and y.const.all() else _safe(b, nothing, y)
    quotient = b("Div", x, safe)
    if x.dtype in _UNSIGNED:
        rest = b("Sub", x, b("Mul", quotient, safe))
        wrong = b("And", _is_nonzero(b, rest), _signs_differ(b, rest, safe))
        quotient = b("Where", wrong, b("Sub", quotient, 1), quotient, dtype=x.dtype)
    return quotient if safe is y else b("Where", nothing, b.value(0, x.dtype), quotient, dtype=x.dtype)


def _left_shift(b: Builder, x: Value, n: Value) -> Value:
    unsigned = _UNSIGNED.get(x.dtype, x.dtype)
    made = b("BitShift", b.cast(x, unsigned), b.cast(n, unsigned), direction="LEFT")
    return b.cast(made, x.dtype)


def _right_shift(b: Builder, x: Value, n: Value) -> Value:
    """Of a negative number: its complement is shifted."""
    if x.dtype not in _UNSIGNED:
        return b("BitShift", x, n, direction="RIGHT")
    unsigned = _UNSIGNED[x.dtype]
    negative = b("Less", x, 0, dtype="bool")
    positive = b("Where", negative, b("BitwiseNot", x), x, dtype=x.dtype)
    made = b.cast(b("BitShift", b.cast(positive, unsigned), b.cast(n, unsigned), direction="RIGHT"), x.dtype)
    return b("Where", negative, b("BitwiseNot", made), made, dtype=x.dtype)


def _is_finite(b: Builder, x: Value) -> Value:
    return b("Not", b("Or", _is_nan(b, x), _is_inf(b, x)))


def _is_nan(b: Builder, x: Value) -> Value:
    return b("IsNaN", x if _is_float(x) else b.cast(x, "float32"), dtype="bool")


def _is_inf(b: Builder, x: Value) -> Value:
    return b("IsInf", x if _is_float(x) else b.cast(x, "float32"), dtype="bool")


for _name, _function in {
    "abs": _absolute,
    "sign": _node("Sign"),
    "square": _square,
    "reciprocal": _node("Reciprocal"),
    "sqrt": _node("Sqrt"),
    "add": _logic("Add", "Or"),
    "subtract": _node("Sub"),
    "multiply": _logic("Mul", "And"),
    "divide": _node("Div"),
    "floor": _unless_whole("Floor"),
    "ceil": _unless_whole("Ceil"),
    "round": _unless_whole("Round"),
    "trunc": _trunc,
    "exp": _node("Exp"),
    "log": _node("Log"),
    "sin": _node("Sin"),
    "cos": _node("Cos"),
    "tan": _node("Tan"),
    "asin": _node("Asin"),
    "acos": _node("Acos"),
    "atan": _node("Atan"),
    "sinh": _node("Sinh"),
    "cosh": _node("Cosh"),
    "tanh": _node("Tanh"),
    "asinh": _node("Asinh"),
    "acosh": _node("Acosh"),
    "atanh": _node("Atanh"),
    "erf": _node("Erf"),
    "sigmoid": _node("Sigmoid"),
    "softplus": _softplus,
    "gelu": _node("Gelu"),
    "gelu_tanh": _gelu_tanh,
    "power": _power,
    "logical_not": _not,
    "logical_and": _node("And"),
    "logical_or": _node("Or"),
    "logical_xor": _node("Xor"),
    "bitwise_not": _bits("BitwiseNot", "Not"),
    "bitwise_and": _bits("BitwiseAnd", "And"),
    "bitwise_or": _bits("BitwiseOr", "Or"),
    "bitwise_xor": _bits("BitwiseXor", "Xor"),
    "left_shift": _left_shift,
}.items():
    _row(_name, _function)

for _name, _function in {
    "maximum": _logic("Max", "Or"),
    "minimum": _logic("Min", "And"),
    "relu": lambda b, x: b("Relu", x) if _is_float(x) else b("Max", x, 0),
    "right_shift": _right_shift,
}.items():
    _row(_name, _function, integers="order")

_row("neg", _node("Neg"), integers="ring")
_row("floor_divide", _floor_divide, wide=True, integers="order")
_row("remainder", _remainder, wide=True, integers="order")

for _name, _function in {
    "rsqrt": _rsqrt,
    "expm1": _expm1,
    "log1p": _log1p,
    "atan2": _atan2,
    "erfc": lambda b, x: b("Sub", _one(b, x), b("Erf", x)),
    "erfinv": _erfinv,
    "gelu_slope": _gelu_slope,
    "silu": lambda b, x: b("Mul", x, b("Sigmoid", x)),
    "sigmoid_cross_entropy": _cross_entropy,
}.items():
    _row(_name, _function, wide=True)

for _name, _function in {
    "isnan": _is_nan,
    "isinf": _is_inf,
    "isfinite": _is_finite,
    "equal": _compare("Equal"),
    "not_equal": lambda b, x, y: b("Not", b("Equal", x, y, dtype="bool")),
    "less": _compare("Less"),
    "less_equal": _compare("LessOrEqual"),
    "greater": _compare("Greater"),
    "greater_equal": _compare("GreaterOrEqual"),
}.items():
    _test(_name, _function)


@row
def clip(b: Builder, x: Value, low: Value, high: Value, out: list[Spec]) -> Value:
    x, low, high = (b.cast(v, out[0].dtype) for v in (x, low, high))
    x, low, high = _scalars(b, [x, low, high], out[0].shape)
    if all(v.const is not None and v.const.size == 1 for v in (low, high)) and x.shape == out[0].shape:
        return b("Clip", x, b.reshaped(low, ()), b.reshaped(high, ()))
    return b("Min", b("Max", x, low), high)


@row
def where(b: Builder, condition: Value, x: Value, y: Value, out: list[Spec]) -> Value:
    dtype = out[0].dtype
    given = [b.cast(condition, "bool"), b.cast(x, dtype), b.cast(y, dtype)]
    return b("Where", *_scalars(b, given, out[0].shape), dtype=dtype)


@row(any_dtype=True)
def cast(b: Builder, x: Value, dtype: str) -> Value:
    """Of a float that an integer dtype does not hold, ONNX says nothing: what is negative becomes 0 for those without a
    sign, and small ones saturate; NaN and what is beyond 32 or 64 bits is left to the engine."""
    if _is_float(x) and dtype in _BOUNDS:
        low, high = _BOUNDS[dtype]
        x = b.cast(x, "float32") if x.dtype in ("float16", "bfloat16") else x
        x = b("Max", x, low) if high is None else b("Clip", x, low, high)
    return b.cast(x, dtype)


@row(any_dtype=True)
def stop_gradient(b: Builder, x: Value) -> Value:
    return x
