"""index: gathers and scatters. Negative indices count from the end; one out of range is an error of the runtime."""

from __future__ import annotations

from addax.export.onnx.table import Builder, Value, row
from addax.export.sizes import Size


def _places(b: Builder, indices: Value) -> Value:
    return indices if indices.dtype in ("int32", "int64") else b.cast(indices, "int64")


@row(any_dtype=True)
def take(b: Builder, x: Value, indices: Value, axis: int) -> Value:
    return b("Gather", x, _places(b, indices), axis=axis)


@row
def take_along_axis(b: Builder, x: Value, indices: Value, axis: int) -> Value:
    return b("GatherElements", x, _places(b, indices), axis=axis)


@row
def gather_nd(b: Builder, x: Value, indices: Value) -> Value:
    return b("GatherND", x, b.cast(indices, "int64"))


@row(wide=True)
def scatter_add(b: Builder, x: Value, indices: Value, updates: Value) -> Value:
    if x.dtype == "bool":
        x, updates = b.cast(x, "int32"), b.cast(updates, "int32")
        return b("ScatterND", x, b.cast(indices, "int64"), updates, reduction="max")
    return b("ScatterND", x, b.cast(indices, "int64"), updates, reduction="add")


@row
def scatter(b: Builder, x: Value, indices: Value, updates: Value) -> Value:
    """Of several updates to one place, ONNX does not say which stays."""
    return b("ScatterND", x, b.cast(indices, "int64"), updates)


@row(wide=True)
def scatter_add_along_axis(b: Builder, x: Value, indices: Value, updates: Value, axis: int) -> Value:
    if x.dtype == "bool":
        x, updates = b.cast(x, "int32"), b.cast(updates, "int32")
        return b("ScatterElements", x, _places(b, indices), updates, axis=axis, reduction="max")
    return b("ScatterElements", x, _places(b, indices), updates, axis=axis, reduction="add")


@row
def one_hot(b: Builder, indices: Value, depth: int | Size, dtype: str) -> Value:
    """By comparison: a negative index is no class, which ONNX's OneHot takes from the end."""
    column = b("Unsqueeze", _places(b, indices), [-1])
    classes = b.cast(b.count(b.size(depth)), column.dtype)
    return b.cast(b("Equal", column, classes, dtype="bool"), dtype)
