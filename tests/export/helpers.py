"""What the checks of exported files share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from addax import ops, tree
from addax.export.endpoint import Endpoint, make_endpoint
from addax.export.onnx import export_onnx


def export(model: Any, path: Path) -> Endpoint:
    """Writes a model as an ONNX file. bfloat16 comes out as float32: NumPy is not given it by onnxruntime."""

    def serve(x: Any) -> Any:
        return tree.map_structure(
            lambda y: ops.cast(y, "float32") if y.dtype == "bfloat16" else y, model(x, training=False)
        )

    endpoint = make_endpoint("serve", serve, [inputs_of(model)])
    export_onnx(endpoint, path, model)
    return endpoint


def inputs_of(model: Any) -> Any:
    """The structure of a model's symbolic inputs."""
    return model._inputs_struct if hasattr(model, "_inputs_struct") else model.inputs[0]


def session(path: Path) -> onnxruntime.InferenceSession:
    """The file in onnxruntime, on one thread of the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(loaded: onnxruntime.InferenceSession, arrays: Any) -> list[np.ndarray]:
    """Its outputs for arrays in the order of its inputs."""
    names = [x.name for x in loaded.get_inputs()]
    return loaded.run(None, dict(zip(names, tree.flatten(arrays), strict=True)))
