"""What a data adapter gives to the loop: batches, epoch by epoch. One file each for the kinds of data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any


class DataAdapter(ABC):
    """Data as a run of batches."""

    #: Whether a pass can be started again; if not, the next epoch goes on where the last one ended.
    restarts = True

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[tuple]:
        """Starts a pass.

        Args:
            epoch: Its number, on which the order of shuffled data depends.

        Returns:
            Tuples `(x,)`, `(x, y)` or `(x, y, sample_weight)` of tensors.
        """

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
