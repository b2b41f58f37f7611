"""ReduceLROnPlateau: lowers the learning rate when a logged value no longer gets better."""

from __future__ import annotations

from typing import Any

import numpy as np

from addax.callbacks.monitor_callback import MonitorCallback
from addax.utils import io_utils


class ReduceLROnPlateau(MonitorCallback):
    """Multiplies the learning rate by a factor when a logged value has not got better for some epochs.

    Args:
        monitor: The name of the value.
        factor: The factor, below 1.
        patience: How many epochs in a row without getting better are one too many.
        verbose: 1 to print.
        mode: `"min"` if smaller is better, `"max"` if larger is, `"auto"` to ask the metric.
        min_delta: How much better counts.
        cooldown: Number of epochs to wait after a change.
        min_lr: The lowest rate.

    Raises:
        ValueError: If `factor` is not below 1.

    Example:

    >>> model = addax.Sequential([addax.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = addax.ops.ones((4, 2)).numpy()
    >>> lower = addax.callbacks.ReduceLROnPlateau(monitor="loss", min_delta=1e9, patience=1)
    >>> history = model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=[lower])
    >>> [round(rate, 4) for rate in history.history["learning_rate"]]
    [0.01, 0.01, 0.001]
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        if kwargs:
            raise TypeError(f"ReduceLROnPlateau: unexpected arguments {sorted(kwargs)}")
        if factor >= 1.0:
            raise ValueError(f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}")
        self.factor = factor
        self.patience = patience
        self.verbose = verbose
        self.cooldown = cooldown
        self.min_lr = min_lr
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forgets an earlier run."""
        self.cooldown_counter = 0
        self.wait = 0
        self.best = None

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the value and logs the rate.

        Args:
            epoch: The number of the epoch.
            logs: Its logs.
        """
        logs = {} if logs is None else logs
        rate = float(self.model.optimizer.learning_rate)
        logs["learning_rate"] = rate
        current = logs.get(self.monitor)
        if current is None:
            self._missing(logs, "Learning rate reduction is conditioned on metric")
            return
        if self.monitor_op is None:
            self._set_monitor_op()
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self._is_improvement(current, self.best):
            self.best = current
            self.wait = 0
        elif not self.in_cooldown():
            self.wait += 1
            # The rate comes out of a float32 variable; as such it may equal a limit that has no exact float32.
            if self.wait >= self.patience and rate > np.float32(self.min_lr):
                self._reduce(epoch, max(rate * self.factor, self.min_lr))

    def in_cooldown(self) -> bool:
        """Returns whether the rate was changed less than `cooldown` epochs ago."""
        return self.cooldown_counter > 0

    def _reduce(self, epoch: int, rate: float) -> None:
        self.model.optimizer.learning_rate = rate
        if self.verbose > 0:
            io_utils.print_msg(f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {rate}.")
        self.cooldown_counter = self.cooldown
        self.wait = 0
