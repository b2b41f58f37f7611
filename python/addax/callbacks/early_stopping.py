"""EarlyStopping: ends training when a logged value no longer gets better."""

from __future__ import annotations

from typing import Any

from addax.callbacks.monitor_callback import MonitorCallback
from addax.utils import io_utils


class EarlyStopping(MonitorCallback):
    """Ends training when a logged value has not got better for some epochs.

    Args:
        monitor: The name of the value.
        min_delta: How much better counts.
        patience: How many epochs in a row without getting better are one too many.
        verbose: 1 to print when training ends or weights are restored.
        mode: `"min"` if smaller is better, `"max"` if larger is, `"auto"` to ask the metric.
        baseline: A value to be better than, apart from the best so far; or `None`.
        restore_best_weights: Whether the model ends with the weights of its best epoch.
        start_from_epoch: Number of epochs to wait before watching.

    Example:

    >>> model = addax.Sequential([addax.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = addax.ops.ones((4, 2)).numpy()
    >>> stop = addax.callbacks.EarlyStopping(monitor="loss", min_delta=1e9, patience=2)
    >>> history = model.fit(x, x[:, :1], epochs=10, verbose=0, callbacks=[stop])
    >>> len(history.epoch)
    3
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ):
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = patience
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = restore_best_weights
        self.start_from_epoch = start_from_epoch
        self.wait = 0
        self.stopped_epoch = 0
        self.best_weights: list | None = None
        self.best_epoch = 0

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forgets an earlier run."""
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_weights = None
        self.best_epoch = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the value.

        Args:
            epoch: The number of the epoch.
            logs: Its logs.
        """
        if self.monitor_op is None:
            self._set_monitor_op()
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            # Whatever comes, there are weights to restore.
            self._keep(epoch)
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best = current
            if self.restore_best_weights:
                self._keep(epoch)
            self.best_epoch = epoch
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: dict | None = None) -> None:
        """Says that training ended and restores weights."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            io_utils.print_msg(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                io_utils.print_msg(f"Restoring model weights from the end of the best epoch: {self.best_epoch + 1}.")
            for variable, value in zip(self.model.weights, self.best_weights, strict=True):
                variable.assign(value)

    def get_monitor_value(self, logs: dict[str, Any] | None) -> Any:
        """Returns the watched value, or warns and returns `None`.

        Args:
            logs: The logs of an epoch.
        """
        logs = logs or {}
        if self.monitor not in logs:
            self._missing(logs, "Early stopping conditioned on metric")
        return logs.get(self.monitor)

    def _keep(self, epoch: int) -> None:
        # Tensors are values: an optimizer that goes on leaves those that are held as they are.
        self.best_weights = [v.value for v in self.model.weights]
        self.best_epoch = epoch
