"""LearningRateScheduler: sets the learning rate before each epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from addax.callbacks.callback import Callback
from addax.utils import io_utils


class LearningRateScheduler(Callback):
    """Sets the optimizer's learning rate before each epoch, and logs it as `learning_rate`.

    Args:
        schedule: `f(epoch, learning_rate)` or `f(epoch)`, which returns the new rate.
        verbose: 1 to print it.

    Example:

    >>> model = addax.Sequential([addax.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = addax.ops.ones((4, 2)).numpy()
    >>> halve = addax.callbacks.LearningRateScheduler(lambda epoch, rate: 0.5 * rate)
    >>> history = model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[halve])
    >>> [round(rate, 5) for rate in history.history["learning_rate"]]
    [0.005, 0.0025]
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0):
        super().__init__()
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Sets the rate.

        Args:
            epoch: The number of the epoch.
            logs: Empty.

        Raises:
            ValueError: If the schedule returns no number.
        """
        current = float(self.model.optimizer.learning_rate)
        try:
            rate: Any = self.schedule(epoch, current)
        except TypeError:
            rate = self.schedule(epoch)
        if isinstance(rate, (str, bool)) or not hasattr(rate, "__float__"):
            raise ValueError(f"The output of the `schedule` function should be a float. Got: {rate}")
        self.model.optimizer.learning_rate = float(rate)
        if self.verbose > 0:
            io_utils.print_msg(f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to {rate}.")

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Logs the rate."""
        if logs is not None:
            logs["learning_rate"] = float(self.model.optimizer.learning_rate)
