"""reduce: reductions and cumulative ops."""

from __future__ import annotations

from addax.export.graph import Spec
from addax.export.onnx.table import Builder, Value, row


def _reduce(b: Builder, op: str, x: Value, axes: tuple, keepdims: bool) -> Value:
    """No axes are all of them."""
    return b(op, x, list(axes) if axes else None, keepdims=int(keepdims))


def _total(name: str, op: str) -> None:
    def lowering(b: Builder, x: Value, axes: tuple, keepdims: bool, out: list[Spec]) -> Value:
        return _reduce(b, op, b.cast(x, out[0].dtype), axes, keepdims)

    lowering.__name__ = name
    row(lowering, integers="ring")


def _extreme(name: str, op: str) -> None:
    def lowering(b: Builder, x: Value, axes: tuple, keepdims: bool) -> Value:
        return _reduce(b, op, b.cast(x, "int32") if x.dtype == "bool" else x, axes, keepdims)

    lowering.__name__ = name
    row(lowering, integers="order")


def _logical(name: str, op: str) -> None:
    def lowering(b: Builder, x: Value, axes: tuple, keepdims: bool) -> Value:
        return b.cast(_reduce(b, op, b.cast(b.cast(x, "bool"), "int32"), axes, keepdims), "bool")

    lowering.__name__ = name
    row(lowering)


_total("sum", "ReduceSum")
_total("prod", "ReduceProd")
_extreme("max", "ReduceMax")
_extreme("min", "ReduceMin")
_logical("any", "ReduceSum")
_logical("all", "ReduceMin")


@row
def logsumexp(b: Builder, x: Value, axes: tuple, keepdims: bool) -> Value:
    return _reduce(b, "ReduceLogSumExp", x, axes, keepdims)


def _position(name: str, op: str) -> None:
    def lowering(b: Builder, x: Value, axis: int, keepdims: bool) -> Value:
        x = b.cast(x, "int32") if x.dtype == "bool" else x
        return b(op, x, dtype="int64", axis=axis, keepdims=int(keepdims))

    lowering.__name__ = name
    row(lowering, integers="order")


_position("argmax", "ArgMax")
_position("argmin", "ArgMin")


@row(integers="ring")
def cumsum(b: Builder, x: Value, axis: int, reverse: bool, out: list[Spec]) -> Value:
    return b("CumSum", b.cast(x, out[0].dtype), b.scalar(b.value([axis])), reverse=int(reverse))


@row(wide=True, integers="ring")
def cumprod(b: Builder, x: Value, axis: int, reverse: bool, out: list[Spec]) -> Value:
    """A Scan, for there is no op."""
    x = b.cast(x, out[0].dtype)
    axis %= x.rank
    if x.shape is not None and x.shape[axis] == 0:
        return x
    first = b("ReduceMax", b("Mul", x, 0), [axis], keepdims=0)
    inside = b.body("step")
    total, part = (Value(b.shared.name(n), x.dtype) for n in ("total", "part"))
    made = inside("Mul", total, part)
    body = inside.close("step", [total, part], [made, made])
    _, stacked = b(
        "Scan",
        b("Add", first, 1),
        x,
        outputs=2,
        body=body,
        num_scan_inputs=1,
        scan_input_axes=[axis],
        scan_output_axes=[axis],
        scan_input_directions=[int(reverse)],
        scan_output_directions=[int(reverse)],
    )
    return stacked
