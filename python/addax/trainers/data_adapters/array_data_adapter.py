"""Batches of arrays that are in memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from addax import engine, ops, tree
from addax.trainers.data_adapters import data_adapter_utils as utils
from addax.trainers.data_adapters.data_adapter import DataAdapter, Rows


class ArrayDataAdapter(DataAdapter):
    """Arrays, or nested structures of them, cut along the first axis.

    The order of a shuffled epoch depends on the seed and the number of the epoch alone: not on threads, on the engine,
    or on whether the run was resumed.

    Args:
        x: Inputs.
        y: Targets, or `None`.
        sample_weight: Weights, or `None`.
        batch_size: Samples in a batch; `None` is 32.
        shuffle: Whether each epoch has another order; `"batch"` keeps batches whole and shuffles their order.
        class_weight: Weight by class number, or `None`.
        seed: Seed of the orders.

    Raises:
        ValueError: If sizes differ, an array does not hold numbers, or arguments contradict each other.
    """

    in_memory = True

    def __init__(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        batch_size: int | None = None,
        shuffle: bool | str = False,
        class_weight: dict[int, float] | None = None,
        seed: int = 0,
    ):
        batch_size = 32 if batch_size is None else batch_size
        if isinstance(batch_size, bool) or not hasattr(batch_size, "__index__") or batch_size < 1:
            raise ValueError(f"`batch_size` must be an integer of at least 1. Received: batch_size={batch_size!r}")
        if shuffle not in (True, False, "batch"):
            raise ValueError(f"`shuffle` must be True, False or 'batch'. Received: shuffle={shuffle!r}")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError("You cannot `class_weight` and `sample_weight` at the same time.")
            sample_weight = utils.class_weight_to_sample_weights(y, class_weight)
        x, y, sample_weight = _tensors(x, "x"), _tensors(y, "y"), _tensors(sample_weight, "sample_weight")
        self._size = utils.check_data_cardinality(x=x, y=y, sample_weight=sample_weight)
        self._data = (x, y, sample_weight) if sample_weight is not None else (x,) if y is None else (x, y)
        self._is_flat = all(isinstance(a, engine.Tensor) for a in self._data)
        self._batch_size = int(batch_size)
        self._shuffle = shuffle
        self._seed = seed

    @property
    def num_batches(self) -> int:
        """How many batches an epoch has; the last one may be smaller."""
        return math.ceil(self._size / self._batch_size)

    @property
    def batch_size(self) -> int:
        """Samples in a batch."""
        return self._batch_size

    def single_batch(self) -> tuple | None:
        """All data if it is one batch."""
        return self._data if self._size <= self._batch_size else None

    def batches(self, epoch: int) -> Iterator[tuple]:
        """Cuts the data.

        Args:
            epoch: The number of the epoch.
        """
        rows = self.rows(epoch)
        if rows is not None:
            yield from rows
            return
        order = self._order(epoch) if self._shuffle else None
        for start in range(0, self._size, self._batch_size):
            stop = min(start + self._batch_size, self._size)
            if order is None:
                yield self._map(lambda a, start=start, stop=stop: a[start:stop])
            else:
                rows = order[start:stop]
                yield self._map(lambda a, rows=rows: engine.apply("take", a, rows, axis=0))

    def rows(self, epoch: int) -> Rows | None:
        """The batches, if the data is tensors and not structures of them.

        Args:
            epoch: The number of the epoch.
        """
        if not self._is_flat:
            return None
        return Rows(self._data, self._order(epoch) if self._shuffle else None, 0, self._size, self._batch_size)

    def _map(self, cut: Any) -> tuple:
        return tree.map_structure(lambda a: None if a is None else cut(a), self._data)

    def _order(self, epoch: int) -> engine.Tensor:
        if self._shuffle != "batch":
            return permutation(self._seed, epoch, self._size)
        whole = self._size // self._batch_size
        with engine.on_host():
            firsts = permutation(self._seed, epoch, whole) * self._batch_size
            rows = ops.reshape(firsts, (whole, 1)) + ops.arange(self._batch_size, dtype="int32")
            rest = ops.arange(whole * self._batch_size, self._size, dtype="int32")
            return ops.concatenate([ops.reshape(rows, (-1,)), rest], axis=0)


def _tensors(data: Any, name: str) -> Any:
    """On the host, where batches are cut."""
    return tree.map_structure(lambda a: None if a is None else utils.to_tensor(a, name).to("cpu:0"), data)


def permutation(seed: int, epoch: int, size: int) -> engine.Tensor:
    """The numbers below `size` in an order that depends on the arguments alone.

    Args:
        seed: A number below 2**32.
        epoch: Another.
        size: How many numbers.
    """
    with engine.on_host():
        key = engine.tensor(np.array([seed, epoch & 0xFFFFFFFF], dtype="uint32"))
        # 64 bits: equal draws, which would keep the order of their samples, do not happen.
        return engine.apply("argsort", engine.apply("random_bits", key, shape=(size,), dtype="uint64"), axis=0)
