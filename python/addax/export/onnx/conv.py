"""conv: channels-last convolutions. ONNX has channels first: the transposes between two of them cancel later."""

from __future__ import annotations

from addax.export.graph import Spec
from addax.export.onnx.table import Builder, NoLoweringError, Value, row
from addax.export.sizes import combined


def _first(b: Builder, filters: Value, inputs: int, outputs: int) -> Value:
    """Filters (..., in, out) with those two dims first, in the order that is given."""
    spatial = range(filters.rank - 2)
    return b.transposed(filters, (filters.rank - 2 + inputs, filters.rank - 2 + outputs, *spatial))


@row
def conv(
    b: Builder, x: Value, filters: Value, strides: tuple, low: tuple, high: tuple, dilation: tuple, groups: int
) -> Value:
    y = b(
        "Conv",
        b.channels_first(x),
        _first(b, filters, 1, 0),
        strides=list(strides),
        pads=[*low, *high],
        dilations=list(dilation),
        group=groups,
    )
    return b.channels_last(y, x.rank)


@row
def conv_input_grad(
    b: Builder,
    g: Value,
    filters: Value,
    strides: tuple,
    low: tuple,
    high: tuple,
    dilation: tuple,
    groups: int,
    input_spatial: tuple,
    out: list[Spec],
) -> Value:
    """A transposed convolution. What the forward one did not reach at the end is zero."""
    assert g.shape is not None and filters.shape is not None
    pads, missing = list(high), [0] * len(strides)
    for i, (stride, spread) in enumerate(zip(strides, dilation, strict=True)):
        window = (filters.shape[i] - 1) * spread + 1  # type: ignore[operator]
        positions = g.shape[1 + i]
        over = None if positions is None else combined((1, input_spatial[i]), (-stride, positions), (stride, 1))
        if not isinstance(over, int):
            raise NoLoweringError("conv_input_grad", f"size {input_spatial[i]} does not follow {positions}")
        rest = over - window + low[i] + high[i]
        # onnxruntime takes an output padding below the stride.
        pads[i] = high[i] - min(rest, 0)
        missing[i] = max(rest, 0)
    padding = [min(n, stride - 1) for n, stride in zip(missing, strides, strict=True)]
    y = b(
        "ConvTranspose",
        b.channels_first(g),
        _first(b, filters, 1, 0),
        strides=list(strides),
        pads=[*low, *pads],
        dilations=list(dilation),
        output_padding=padding,
        group=groups,
    )
    more = [n - p for n, p in zip(missing, padding, strict=True)]
    if any(more):
        y = b("Pad", y, [0] * (len(more) + 2) + [0, 0, *more])
    return b.channels_last(y, g.rank)
