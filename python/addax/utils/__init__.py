"""Tools around models: seeds, names, progress, data. Each is imported when it is first used.

To add one: write it in a file here and name the file in the table.
"""

import importlib

_MODULES = {
    "Progbar": "addax.utils.progbar",
    "PyDataset": "addax.trainers.data_adapters",
    "Sequence": "addax.trainers.data_adapters",
    "clear_session": "addax.utils.session",
    "disable_interactive_logging": "addax.config",
    "enable_interactive_logging": "addax.config",
    "is_interactive_logging_enabled": "addax.config",
    "is_keras_tensor": "addax.ops.keras_tensor",
    "normalize": "addax.utils.numerical_utils",
    "pack_x_y_sample_weight": "addax.trainers.data_adapters.data_adapter_utils",
    "set_random_seed": "addax.utils.random",
    "standardize_dtype": "addax.dtypes",
    "to_categorical": "addax.utils.numerical_utils",
    "unpack_x_y_sample_weight": "addax.trainers.data_adapters.data_adapter_utils",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str):
    if name in _MODULES:
        return getattr(importlib.import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
