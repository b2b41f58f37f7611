"""random: no row has an ONNX form (see `WITHOUT` in table.py)."""
