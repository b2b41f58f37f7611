"""loss: cross-entropies."""

from __future__ import annotations

from addax.export.onnx.table import Builder, Value, row


@row(wide=True)
def softmax_cross_entropy(b: Builder, logits: Value, targets: Value) -> Value:
    return b("Neg", b("ReduceSum", b("Mul", targets, b("LogSoftmax", logits, axis=-1)), [-1], keepdims=0))


@row(wide=True)
def sparse_softmax_cross_entropy(b: Builder, logits: Value, labels: Value) -> Value:
    column = b("Unsqueeze", b.cast(labels, "int64"), [-1])
    chosen = b("GatherElements", b("LogSoftmax", logits, axis=-1), column, axis=-1)
    return b("Neg", b("Squeeze", chosen, [-1]))
