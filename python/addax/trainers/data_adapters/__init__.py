"""From what users pass as data to batches."""

from __future__ import annotations

from typing import Any

import numpy as np

from addax import engine
from addax.trainers.data_adapters import data_adapter_utils as utils
from addax.trainers.data_adapters.array_data_adapter import ArrayDataAdapter
from addax.trainers.data_adapters.data_adapter import DataAdapter, Rows
from addax.trainers.data_adapters.iterable_data_adapter import IterableDataAdapter
from addax.trainers.data_adapters.py_dataset_adapter import PyDataset, PyDatasetAdapter

Sequence = PyDataset  # its name in Keras 2

__all__ = [
    "ArrayDataAdapter",
    "DataAdapter",
    "IterableDataAdapter",
    "PyDataset",
    "PyDatasetAdapter",
    "Rows",
    "Sequence",
    "get_data_adapter",
    "single_batch",
]


def get_data_adapter(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    class_weight: dict[int, float] | None = None,
    seed: int = 0,
) -> DataAdapter:
    """Returns the adapter for the kind of data.

    Args:
        x: Arrays, a `PyDataset` or an iterable of batches.
        y: Targets; for arrays only.
        sample_weight: Weights; for arrays only.
        batch_size: Samples in a batch; for arrays only, `None` is 32.
        shuffle: Whether each epoch has another order; a generator has its own.
        class_weight: Weight by class number, or `None`.
        seed: Seed of the orders.

    Raises:
        ValueError: If the data is of no known kind, or an argument does not go with it.
    """
    if isinstance(x, DataAdapter):
        return x
    if utils.is_array_structure(x):
        for name, data in (("y", y), ("sample_weight", sample_weight)):
            if data is not None and not utils.is_array_structure(data):
                raise _unrecognized(name, data)
        return ArrayDataAdapter(x, y, sample_weight, batch_size, shuffle, class_weight, seed)
    if x is None:
        raise ValueError("`x` is None: expected arrays, a PyDataset or an iterable of batches")
    kind = "PyDataset" if isinstance(x, PyDataset) else "generator"
    if isinstance(x, (str, bytes, list, tuple, dict)) or not (kind == "PyDataset" or hasattr(x, "__iter__")):
        raise _unrecognized("x", x)
    for name, value, hint in (
        ("y", y, "the targets should be included as part of the"),
        ("sample_weights", sample_weight, "the sample weights should be included as part of the"),
    ):
        if value is not None:
            raise ValueError(f"When providing `x` as a {kind}, `{name}` should not be passed. Instead, {hint} {kind}.")
    if isinstance(x, PyDataset):
        return PyDatasetAdapter(x, class_weight, shuffle, seed)
    return IterableDataAdapter(x, class_weight)


def single_batch(x: Any, batch_size: int | None = None) -> tuple[engine.Tensor] | None:
    """An array that is one batch, for which no adapter need be made. `None` for all else, which an adapter looks at.

    Args:
        x: Any object.
        batch_size: Samples in a batch; `None` is 32.
    """
    most = 32 if batch_size is None else batch_size
    if type(x) is np.ndarray and type(most) is int and x.ndim > 0 and 0 < x.shape[0] <= most:
        return (utils.to_tensor(x, "x"),)
    return None


def _unrecognized(name: str, data: Any) -> ValueError:
    hint = ""
    if isinstance(data, (list, tuple)):
        hint = f". Plain lists of numbers are not batched: pass a NumPy array, np.array({name})"
    return ValueError(f"Unrecognized data type: {name}={utils.shown(data)} (of type {type(data)}){hint}")
