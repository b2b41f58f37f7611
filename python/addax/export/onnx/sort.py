"""sort: stable orders, by TopK of all elements. Where NaN comes, ONNX does not say."""

from __future__ import annotations

from addax.export.onnx.table import Builder, Value, row
from addax.export.sizes import Size


def _order(b: Builder, x: Value, axis: int, count: Value, descending: bool) -> tuple[Value, Value]:
    number = b.cast(x, "int32") if x.dtype == "bool" else x
    values, order = b("TopK", number, count, outputs=2, axis=axis, largest=int(descending), sorted=1)
    order.dtype = b.shared.dtypes[order.name] = "int64"
    return values, order


@row(integers="order")
def sort(b: Builder, x: Value, axis: int, descending: bool) -> Value:
    return _order(b, x, axis, b.dim_of(x, axis), descending)[0]


@row(integers="order")
def argsort(b: Builder, x: Value, axis: int, descending: bool) -> Value:
    return _order(b, x, axis, b.dim_of(x, axis), descending)[1]


@row(integers="order")
def top_k(b: Builder, x: Value, k: int | Size) -> tuple[Value, Value]:
    return _order(b, x, -1, b.size(k), True)
