"""pool: max and average over windows."""

from __future__ import annotations

from addax.export.onnx.table import Builder, Value, row


@row
def max_pool(b: Builder, x: Value, window: tuple, strides: tuple, low: tuple, high: tuple) -> Value:
    y = b("MaxPool", b.channels_first(x), kernel_shape=list(window), strides=list(strides), pads=[*low, *high])
    return b.channels_last(y, x.rank)


@row
def avg_pool(
    b: Builder, x: Value, window: tuple, strides: tuple, low: tuple, high: tuple, count_padding: bool
) -> Value:
    y = b(
        "AveragePool",
        b.channels_first(x),
        kernel_shape=list(window),
        strides=list(strides),
        pads=[*low, *high],
        count_include_pad=int(count_padding),
    )
    return b.channels_last(y, x.rank)
