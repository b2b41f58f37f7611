"""ONNX files: the lowering column of the op table, and the writer."""

from __future__ import annotations

import os
from typing import Any

from addax.export.endpoint import Endpoint
from addax.export.onnx.layers import layer_of
from addax.export.onnx.table import NoLoweringError
from addax.export.onnx.writer import write


def export_onnx(endpoint: Endpoint, filepath: str | os.PathLike, model: Any = None) -> None:
    """Writes an endpoint as an ONNX file.

    Inputs and outputs keep their names, and sizes that are not known are dims with a name, such as `batch`. A variable
    that the endpoint assigns becomes an input with its value as the default, and an output, its name with `_next`: who
    runs the file passes that on.

    Args:
        endpoint: The endpoint.
        filepath: Of the file; one that is there is replaced.
        model: The layer that the endpoint calls: its weights keep their names, and an error names the layer in it.

    Raises:
        ImportError: If the package onnx is not installed.
        ValueError: If an op has no ONNX form.

    Example:

    >>> from addax.export.endpoint import make_endpoint
    >>> model = addax.Sequential([addax.Input((4,), name="x"), addax.layers.Dense(2)])
    >>> endpoint = make_endpoint("serve", lambda x: model(x, training=False), model.inputs)
    >>> export_onnx(endpoint, "model.onnx", model)
    """
    variables = {id(v._box): v.path for v in getattr(model, "variables", ())}
    names = {number: variables.get(id(box), "") for number, box in endpoint.graph.weights.items()}
    try:
        write(endpoint, filepath, names)
    except NoLoweringError as error:
        layer = layer_of(error.op, endpoint, model)
        user = f"layer '{layer}' uses" if layer else "the model uses"
        raise ValueError(
            f"Cannot export to ONNX: {user} the op {error.op}, which has no ONNX form: {error.reason}. Export with "
            'format="addax", or compute that part without it'
        ) from None
