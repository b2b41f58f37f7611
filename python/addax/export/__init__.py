"""Models out of Python: `.addax` files for C++ and this package's own loader, and ONNX."""

from addax.export.archive import ExportArchive as ExportArchive
from addax.export.loaded import LoadedModel as LoadedModel
from addax.export.loaded import load as load
from addax.export.loaded import load_weights as load_weights
