"""PyDataset: batches by number, so that workers can prepare the next ones while the model trains on this one."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

from addax.trainers.data_adapters.array_data_adapter import permutation
from addax.trainers.data_adapters.data_adapter import DataAdapter
from addax.trainers.data_adapters.iterable_data_adapter import check_batch, convert_batch


class PyDataset:
    """Data that gives its batches by number. Subclasses write `__getitem__` and `num_batches` (or `__len__`).

    Args:
        workers: How many batches are prepared at a time; 1 prepares each while the step before runs, in the thread that
            trains.
        use_multiprocessing: Whether workers are processes rather than threads. The dataset must then be picklable.
        max_queue_size: How many batches may be prepared ahead.

    Example:

    >>> import numpy as np
    >>> class Squares(addax.utils.PyDataset):
    ...     def __len__(self):
    ...         return 4
    ...     def __getitem__(self, index):
    ...         x = np.full((8, 1), index, dtype="float32")
    ...         return x, x**2
    >>> Squares().num_batches
    4
    """

    def __init__(self, workers: int = 1, use_multiprocessing: bool = False, max_queue_size: int = 10):
        self._workers = workers
        self._use_multiprocessing = use_multiprocessing
        self._max_queue_size = max_queue_size

    @property
    def workers(self) -> int:
        """How many batches are prepared at a time."""
        return getattr(self, "_workers", 1)

    @workers.setter
    def workers(self, value: int) -> None:
        self._workers = value

    @property
    def use_multiprocessing(self) -> bool:
        """Whether workers are processes."""
        return getattr(self, "_use_multiprocessing", False)

    @use_multiprocessing.setter
    def use_multiprocessing(self, value: bool) -> None:
        self._use_multiprocessing = value

    @property
    def max_queue_size(self) -> int:
        """How many batches may be prepared ahead."""
        return getattr(self, "_max_queue_size", 10)

    @max_queue_size.setter
    def max_queue_size(self, value: int) -> None:
        self._max_queue_size = value

    def __getitem__(self, index: int) -> tuple:
        """Returns a batch; written by subclasses.

        Args:
            index: Its number, from 0.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `__getitem__(index)`, which returns a batch")

    @property
    def num_batches(self) -> int | None:
        """How many batches an epoch has; `None` for data without end. Written by subclasses, or `__len__`."""
        if hasattr(self, "__len__"):
            return len(self)
        raise NotImplementedError(
            f"{type(self).__name__} must implement the property `num_batches` (or `__len__`): how many batches an "
            "epoch has, None for data without end"
        )

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""


class PyDatasetAdapter(DataAdapter):
    """Batches of a `PyDataset`.

    Args:
        dataset: The dataset.
        class_weight: Weight by class number, or `None`.
        shuffle: Whether each epoch has its batches in another order.
        seed: Seed of the orders.
    """

    def __init__(
        self,
        dataset: PyDataset,
        class_weight: dict[int, float] | None = None,
        shuffle: bool | str = False,
        seed: int = 0,
    ):
        self._dataset = dataset
        self._class_weight = class_weight
        self._shuffle = bool(shuffle)
        self._seed = seed
        self._num_batches = dataset.num_batches

    @property
    def num_batches(self) -> int | None:
        """How many batches an epoch has."""
        return self._num_batches

    def on_epoch_begin(self) -> None:
        """Tells the dataset, whose number of batches may change."""
        self._dataset.on_epoch_begin()

    def on_epoch_end(self) -> None:
        """Tells the dataset."""
        self._dataset.on_epoch_end()
        self._num_batches = self._dataset.num_batches

    def batches(self, epoch: int) -> Iterator[tuple]:
        """Asks for the batches, in order or shuffled.

        Args:
            epoch: The number of the epoch.
        """
        if self._num_batches is None:
            indices: Iterator[int] = itertools.count()
        elif self._shuffle:
            indices = iter(permutation(self._seed, epoch, self._num_batches).tolist())
        else:
            indices = iter(range(self._num_batches))
        for batch in self._fetch(indices):
            yield convert_batch(check_batch(batch), self._class_weight, copy=True)

    def _fetch(self, indices: Iterator[int]) -> Iterator[Any]:
        if self._dataset.workers <= 1 and not self._dataset.use_multiprocessing:
            for index in indices:
                yield self._dataset[index]
            return
        executor, fetch = self._executor()
        waiting: deque = deque()
        try:
            for index in itertools.islice(indices, max(self._dataset.max_queue_size, 1)):
                waiting.append(executor.submit(fetch, index))
            while waiting:
                yield waiting.popleft().result()
                for index in itertools.islice(indices, 1):
                    waiting.append(executor.submit(fetch, index))
        finally:
            executor.shutdown(wait=True, cancel_futures=True)

    def _executor(self) -> tuple[Executor, Callable[[int], Any]]:
        workers = max(self._dataset.workers, 1)
        if not self._dataset.use_multiprocessing:
            return ThreadPoolExecutor(workers, thread_name_prefix="addax-data"), self._dataset.__getitem__
        # Spawned, not forked: the engine's threads do not survive a fork. The dataset is sent once to each process.
        context = get_context("spawn")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_adopt, initargs=(self._dataset,))
        return pool, _fetch_here


_adopted: PyDataset | None = None


def _adopt(dataset: PyDataset) -> None:
    global _adopted
    _adopted = dataset


def _fetch_here(index: int) -> Any:
    return _adopted[index]  # type: ignore[index]
