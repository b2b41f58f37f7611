"""ONNX: the lowering column, and the writer of files."""

from __future__ import annotations

import os
from typing import Any

from addax.export.endpoint import Endpoint
from addax.export.onnx.table import NoLoweringError
from addax.export.onnx.writer import write


def export_onnx(endpoint: Endpoint, filepath: str | os.PathLike, model: Any = None) -> None:
    """Writes an endpoint as an ONNX file.

    Args:
        endpoint: The endpoint.
        filepath: Of the file; a file that is there is replaced.
        model: The layer that the endpoint calls: its weights keep their names, and an error names the layer in it.
    """
    try:
        write(endpoint, filepath, {})
    except NoLoweringError as error:
        raise ValueError(f"{error.op}: {error.reason}") from None
