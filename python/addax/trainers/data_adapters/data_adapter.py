"""What a data adapter gives to the loop: batches, epoch by epoch. One file each for the kinds of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from addax import engine


class Rows:
    """Batches of consecutive rows of tensors.

    Args:
        data: Tensors of equally many rows.
        order: The order to take the rows in, or `None`: as they lie.
        start: Where in the order the first batch begins.
        stop: Where the last one, which may be smaller, ends.
        batch_size: Rows in a batch.
    """

    def __init__(self, data: tuple, order: engine.Tensor | None, start: int, stop: int, batch_size: int):
        self.data = data
        self.order = order
        self.start = start
        self.stop = stop
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-(self.stop - self.start) // self.batch_size)

    def __iter__(self) -> Iterator[tuple]:
        for start in range(self.start, self.stop, self.batch_size):
            yield engine.take_rows(self.data, self.order, start, min(start + self.batch_size, self.stop))

    def part(self, first: int, count: int) -> Rows:
        """Some of the batches.

        Args:
            first: Number of the first one.
            count: How many; fewer if there are no more.
        """
        start = self.start + first * self.batch_size
        stop = min(start + count * self.batch_size, self.stop)
        return Rows(self.data, self.order, start, stop, self.batch_size)


class DataAdapter(ABC):
    """Data as a run of batches."""

    #: Whether a pass can be started again; if not, the next epoch goes on where the last one ended.
    restarts = True
    #: Whether a batch is cut from arrays in memory, which takes too little time to be done while a step runs.
    in_memory = False

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[tuple]:
        """Starts a pass.

        Args:
            epoch: Its number, on which the order of shuffled data depends.

        Returns:
            Tuples `(x,)`, `(x, y)` or `(x, y, sample_weight)` of tensors.
        """

    def rows(self, epoch: int) -> Rows | None:
        """The batches of a pass as rows of tensors, where the data is such; a compiled step walks them by itself.

        Args:
            epoch: As for `batches`.
        """
        return None

    @property
    @abstractmethod
    def num_batches(self) -> int | None:
        """How many batches a pass has, `None` if unknown."""

    @property
    def batch_size(self) -> int | None:
        """Samples in a batch, `None` if unknown."""
        return None

    def on_epoch_begin(self) -> None:  # noqa: B027
        """Called before an epoch; most data needs nothing then."""

    def on_epoch_end(self) -> None:  # noqa: B027
        """Called after an epoch; most data needs nothing then."""

    def single_batch(self) -> tuple[Any, ...] | None:
        """All data as one batch if it is one, so that no loop is needed."""
        return None
