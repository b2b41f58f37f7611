"""matmul: products."""

from __future__ import annotations

from addax.export.onnx.table import Builder, Value, row


def _swapped(b: Builder, x: Value) -> Value:
    return b.transposed(x, [*range(x.rank - 2), x.rank - 1, x.rank - 2])


@row(integers="ring")
def matmul(b: Builder, x: Value, y: Value, transpose_a: bool, transpose_b: bool) -> Value:
    if x.dtype == "bool":
        x, y = b.cast(x, "int32"), b.cast(y, "int32")
    x = _swapped(b, x) if transpose_a else x
    y = _swapped(b, y) if transpose_b else y
    return b("MatMul", x, y)
