"""random: Threefry-2x32 by counter in integer nodes, bit for bit what the engine draws."""

from __future__ import annotations

import numpy as np

from addax.export.graph import Dim
from addax.export.onnx.table import Builder, Value, row

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


def _block(b: Builder, key: Value, low: Value) -> tuple[Value, Value]:
    """The block function of Salmon et al. (SC'11), 20 rounds, on counters below 2**32."""
    first, second = (b("Slice", key, [i], [i + 1], [0]) for i in range(2))
    keys = [first, second, b("BitwiseXor", b("BitwiseXor", first, second), np.array([_PARITY]))]
    x, y = first, b("Add", low, second)
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = b("Add", x, y)
            left, right = (
                b("BitShift", y, rotation, direction="LEFT"),
                b("BitShift", y, 32 - rotation, direction="RIGHT"),
            )
            y = b("BitwiseXor", b("BitwiseOr", left, right), x)
        x = b("Add", x, keys[(group + 1) % 3])
        y = b("Add", b("Add", y, keys[(group + 2) % 3]), group + 1)
    return x, y


@row
def random_bits(b: Builder, key: Value, shape: tuple[Dim, ...], dtype: str) -> Value:
    """The counter of an element is its position; 64 bits are both words, fewer are of their exclusive or."""
    dims = b.shape(shape)
    size = b("ReduceProd", dims, keepdims=1) if dims.const is None else b.value([int(np.prod(dims.const))])
    first, second = _block(b, key, b.cast(b.count(size), "uint32"))
    if dtype == "uint64":
        high = b("BitShift", b.cast(first, dtype), 32, direction="LEFT")
        bits = b("BitwiseOr", high, b.cast(second, dtype))
    else:
        bits = b.cast(b("BitwiseXor", first, second), dtype)
    return b("Reshape", bits, dims, **({"allowzero": 1} if 0 in shape else {}))


def dropped(b: Builder, x: Value, shape: tuple[Dim, ...], key: Value, rate: float) -> Value:
    """What dropout leaves of x, which has this shape, scaled up: a float32 with 23 random bits decides."""
    bits = random_bits(b, key, shape, "uint32")
    unit = b("Mul", b.cast(b("BitShift", bits, 9, direction="RIGHT"), "float32"), 2.0**-23)
    kept = b("Less", unit, np.float32(1 - rate).reshape(()), dtype="bool")
    return b("Where", kept, b("Div", x, 1 - rate), 0.0, dtype=x.dtype)


@row(wide=True)
def dropout(b: Builder, x: Value, key: Value, rate: float) -> Value:
    assert x.shape is not None
    return dropped(b, x, x.shape, key, rate)
