"""The batches of an epoch, counted and grouped; what the loops of the trainer walk."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator

from addax import config
from addax.trainers.data_adapters import DataAdapter, Rows


class _Pass:
    """The batches of a pass, of which some can be drawn before they are asked for.

    They are always drawn in the thread that trains: a source finds the random state and whatever else belongs to its
    thread as it would find it without this.
    """

    def __init__(self, batches: Iterator[tuple]):
        self._batches = batches
        self._drawn: deque[tuple | Exception | None] = deque()

    def __len__(self) -> int:
        return len(self._drawn)

    def draw(self) -> None:
        """Draws a batch, unless the end has been drawn. An error is kept until its batch is asked for."""
        if self._drawn and not isinstance(self._drawn[-1], tuple):
            return
        try:
            self._drawn.append(next(self._batches, None))
        except Exception as error:
            self._drawn.append(error)

    def next(self) -> tuple | None:
        """The next batch; `None` after the last one."""
        if not self._drawn:
            return next(self._batches, None)
        drawn = self._drawn.popleft()
        if not isinstance(drawn, Exception):
            return drawn
        try:
            raise drawn
        finally:
            del drawn  # its traceback holds this frame

    def close(self) -> None:
        """Ends it, with the workers that prepare batches."""
        if hasattr(self._batches, "close"):
            self._batches.close()


class EpochIterator:
    """Walks a data adapter epoch by epoch.

    Args:
        adapter: The data.
        steps: Batches in an epoch; `None`: one pass over the data.
        steps_per_execution: How many batches are handed out together.
        repeats: What an epoch of `steps` does. `True`, for training: it goes on where the last one stopped, and data
            that ends starts again. `False`, for evaluation: it starts at the beginning and ends with the data.

    Raises:
        ValueError: If a number is not positive.
    """

    def __init__(
        self, adapter: DataAdapter, steps: int | None = None, steps_per_execution: int = 1, repeats: bool = False
    ):
        if steps is not None and (not hasattr(steps, "__index__") or steps < 1):
            raise ValueError(f"The number of steps must be an integer of at least 1. Received: {steps!r}")
        self.adapter = adapter
        #: Whether the data has ended and cannot start again.
        self.is_exhausted = False
        self._steps = steps
        self._steps_per_execution = steps_per_execution
        self._goes_on = repeats and steps is not None
        self._pass: _Pass | None = None
        self._left: int | None = None  # how many batches the epoch will still ask for, if a number limits it

    @property
    def num_batches(self) -> int | None:
        """Batches in an epoch, `None` if unknown."""
        known = self.adapter.num_batches if self._steps is None else self._steps
        most = config.max_steps_per_epoch()
        return known if most is None else most if known is None else min(known, most)

    def epoch(
        self, number: int, at_once: Callable[[], int] | None = None
    ) -> Iterator[tuple[int, int, list[tuple] | Rows]]:
        """Walks an epoch.

        Args:
            number: Its number, on which the order of shuffled data depends.
            at_once: How many batches may come together now, where nobody looks between them.

        Returns:
            Triples: number of the first batch, number of the last one, and the batches, mostly one.
        """
        self.adapter.on_epoch_begin()
        yield from self._groups(number, at_once)
        self.adapter.on_epoch_end()

    def _groups(self, number: int, at_once: Callable[[], int] | None) -> Iterator[tuple[int, int, list[tuple] | Rows]]:
        together = (self._steps_per_execution > 1 or at_once is not None) and self._limit() is None
        rows = self.adapter.rows(number) if together else None
        if rows is not None:
            step = 0
            while step < len(rows):
                part = rows.part(step, max(self._steps_per_execution, at_once() if at_once else 1))
                yield step, step + len(part) - 1, part
                step += len(part)
            return
        step = 0
        batches: list[tuple] = []
        for batch in self._batches(number):
            batches.append(batch)
            step += 1
            if len(batches) == self._steps_per_execution:
                yield step - len(batches), step - 1, batches
                batches = []
        if batches:
            yield step - len(batches), step - 1, batches

    def _limit(self) -> int | None:
        """Batches after which an epoch ends before the data does; `None`: it ends with the data."""
        return None if self._steps is None and config.max_steps_per_epoch() is None else self.num_batches

    def _batches(self, number: int) -> Iterator[tuple]:
        if self._pass is None or (self.adapter.restarts and not self._goes_on):
            self._pass = _Pass(self.adapter.batches(number))
        limit = self._limit()
        step = 0
        while limit is None or step < limit:
            batch = self._pass.next()
            if batch is None and self._goes_on and self.adapter.restarts:
                # Not the number of an epoch, so that the second pass has an order of its own.
                self._pass = _Pass(self.adapter.batches((1 << 31) + (number << 16) + step))
                batch = self._pass.next()
            if batch is None:
                self.is_exhausted = not self.adapter.restarts
                if limit is not None:
                    warn_of_missing_data()
                return
            step += 1
            self._left = None if limit is None else limit - step
            yield batch

    def draw_ahead(self) -> None:
        """Draws a batch that the epoch will ask for, while a step runs. No more than a group of them waits."""
        if self._pass is None:
            return
        most = self._steps_per_execution if self._left is None else min(self._steps_per_execution, self._left)
        if len(self._pass) < most:
            self._pass.draw()

    def close(self) -> None:
        """Ends a pass that was left half way, with the workers that prepare its batches."""
        if self._pass is not None:
            self._pass.close()
        self._pass = None


def warn_of_missing_data() -> None:
    """Warns that there are fewer batches than asked for."""
    warnings.warn(
        "Your input ran out of data; interrupting training. Make sure that your dataset or generator can generate at "
        "least `steps_per_epoch * epochs` batches.",
        stacklevel=3,
    )
