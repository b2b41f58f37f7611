"""ModelCheckpoint: saves the model during training."""

from __future__ import annotations

import os
from typing import Any

from addax.callbacks.monitor_callback import MonitorCallback
from addax.utils import io_utils


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, after epochs or batches.

    A file is written under another name and renamed when it is whole, so a run killed while saving keeps the last one.

    Args:
        filepath: Where to; `{epoch}`, `{batch}` and names in the logs are filled in, as in
            `"{epoch:02d}-{val_loss:.2f}.keras"`. Ends in `.keras`, or in `.weights.h5` with `save_weights_only`.
        monitor: The value that `save_best_only` looks at.
        verbose: 1 to print when saving.
        save_best_only: Whether to save only if the value is better than at all savings before.
        save_weights_only: Whether to save weights rather than the model.
        mode: `"min"` if smaller is better, `"max"` if larger is, `"auto"` to ask the metric.
        save_freq: `"epoch"`, or the number of batches between savings.
        initial_value_threshold: The value that the first saving must be better than, or `None`.

    Raises:
        ValueError: If `filepath` has another ending or `save_freq` is neither.

    Example:

    >>> import os, tempfile
    >>> model = addax.Sequential([addax.layers.Input((2,)), addax.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = addax.ops.ones((4, 2)).numpy()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save = addax.callbacks.ModelCheckpoint(folder + "/{epoch}.keras")
    ...     history = model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[save])
    ...     sorted(os.listdir(folder))
    ['1.keras', '2.keras']
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ):
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq
        self._batches_since_save = 0
        self._last_batch_seen = -1
        self._epoch = 0
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values")
        if save_weights_only:
            if not self.filepath.endswith(".weights.h5"):
                raise ValueError(
                    "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath provided must end in "
                    f"`.weights.h5` (Keras weights format). Received: filepath={self.filepath}"
                )
        elif not self.filepath.endswith(".keras"):
            raise ValueError(
                f"The filepath provided must end in `.keras` (Keras model format). Received: filepath={self.filepath}"
            )

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Notes the epoch."""
        self._epoch = epoch
        self._last_batch_seen = -1

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Saves if enough batches have passed.

        Args:
            batch: The number of the batch.
            logs: The logs so far.
        """
        if self.save_freq == "epoch":
            return
        # More than one batch may have been trained on since the last call.
        self._batches_since_save += batch - self._last_batch_seen
        self._last_batch_seen = batch
        if self._batches_since_save >= self.save_freq:
            self._batches_since_save = 0
            self._save(self._epoch, batch, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Saves.

        Args:
            epoch: The number of the epoch.
            logs: Its logs.
        """
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> None:
        filepath = self._path(epoch, batch, logs)
        if not self.save_best_only:
            self._tell(epoch, f"saving model to {filepath}")
        elif not self._got_better(epoch, filepath, logs):
            return
        os.makedirs(os.path.dirname(filepath) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(filepath, overwrite=True)
        else:
            self.model.save(filepath, overwrite=True)
        self._tell(epoch, f"finished saving model to {filepath}")

    def _got_better(self, epoch: int, filepath: str, logs: dict[str, Any]) -> bool:
        current = logs.get(self.monitor)
        if current is None:
            self._missing(logs, "Can save best model only with")
            return False
        if self.monitor_op is None:
            self._set_monitor_op()
        if not self._is_improvement(current, self.best):
            self._tell(epoch, f"{self.monitor} did not improve from {_short(self.best)}")
            return False
        self._tell(
            epoch,
            f"{self.monitor} improved from {_short(self.best)} to {_short(current)}, saving model to {filepath}",
        )
        self.best = current
        return True

    def _path(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        values = {**logs, "epoch": epoch + 1}
        if batch is not None:
            values["batch"] = batch + 1
        try:
            return self.filepath.format(**values)
        except KeyError as error:
            raise KeyError(
                f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}. '
                f"Known names: {', '.join(values)}"
            ) from None

    def _tell(self, epoch: int, message: str) -> None:
        if self.verbose > 0:
            io_utils.print_msg(f"\nEpoch {epoch + 1}: {message}")


def _short(value: Any) -> str:
    return "None" if value is None else f"{value:.5f}"
