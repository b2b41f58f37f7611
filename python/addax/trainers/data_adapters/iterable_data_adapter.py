"""Batches of a Python generator, or of anything else that yields them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from addax import tree
from addax.trainers.data_adapters import data_adapter_utils as utils
from addax.trainers.data_adapters.data_adapter import DataAdapter


class IterableDataAdapter(DataAdapter):
    """Batches from an iterable: a generator, a `tf.data.Dataset`, a torch `DataLoader`, ...

    A generator can be walked once: the next epoch goes on where the last one stopped. Other iterables start afresh.

    Args:
        data: Yields `(x,)`, `(x, y)` or `(x, y, sample_weight)`, each an array or nested structure of arrays.
        class_weight: Weight by class number, or `None`.

    Raises:
        ValueError: If the first batch is no such tuple, or there is none.
    """

    def __init__(self, data: Iterable, class_weight: dict[int, float] | None = None):
        self._data = data
        self._class_weight = class_weight
        iterator = iter(data)
        self.restarts = iterator is not data
        self._iterator = iterator
        # The first batch is looked at before training starts, so that wrong data fails at once.
        first = next(iterator, None)
        if first is None:
            raise ValueError(
                "When passing a Python generator to a Keras model, the generator must yield at least one batch. "
                "Received an empty generator."
            )
        self._batch_size = _size(check_batch(first))
        if not self.restarts:
            self._iterator = itertools.chain([first], iterator)

    @property
    def num_batches(self) -> int | None:
        """How many batches an epoch has, if the iterable says so by `len`."""
        try:
            return len(self._data)  # type: ignore[arg-type]
        except TypeError:
            return None

    @property
    def batch_size(self) -> int | None:
        """Samples in the first batch."""
        return self._batch_size

    def batches(self, epoch: int) -> Iterator[tuple]:
        """Walks the iterable.

        Args:
            epoch: Not used: the data has its own order.
        """
        for batch in iter(self._data) if self.restarts else self._iterator:
            yield convert_batch(check_batch(batch), self._class_weight, copy=True)


def check_batch(batch: Any) -> tuple:
    """Returns the batch as a tuple.

    Raises:
        ValueError: If it is not `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
    """
    if isinstance(batch, tuple) and 1 <= len(batch) <= 3:
        return batch
    # A torch DataLoader collates into lists.
    if isinstance(batch, list) and 1 <= len(batch) <= 3 and all(utils.is_array_structure(b) for b in batch):
        return tuple(batch)
    raise ValueError(
        "When passing a Python generator to a Keras model, the generator must return a tuple, either (input,) or "
        f"(inputs, targets) or (inputs, targets, sample_weights). Received: {utils.shown(batch)}"
    )


def convert_batch(batch: tuple, class_weight: dict[int, float] | None, copy: bool = False) -> tuple:
    """A batch as tensors, with the weights of its classes. A copy stays as it is when a source writes its next batch
    into the same arrays."""
    if class_weight is not None:
        x, y, sample_weight = utils.unpack_x_y_sample_weight(batch)
        if sample_weight is not None:
            raise ValueError("You cannot `class_weight` and `sample_weight` at the same time.")
        batch = (x, y, utils.class_weight_to_sample_weights(y, class_weight))
    names = ("x", "y", "sample_weight")
    return tuple(
        [
            tree.map_structure(lambda a, name=name: None if a is None else utils.to_tensor(a, name, copy), part)
            for name, part in zip(names, batch, strict=False)
        ]
    )


def _size(batch: tuple) -> int | None:
    leaves = [leaf for leaf in tree.flatten(batch) if hasattr(leaf, "shape") and len(leaf.shape) > 0]
    return int(leaves[0].shape[0]) if leaves else None
