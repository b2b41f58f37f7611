"""The base class of callbacks."""

from __future__ import annotations

import weakref
from typing import Any


class Callback:
    """What `fit`, `evaluate` and `predict` call at certain points. Subclasses write the methods they need.

    Attributes:
        params: `{"verbose": ..., "epochs": ..., "steps": ...}` of the running call.
        model: The model.

    `logs` are dicts of plain numbers by name.

    Example:

    >>> class Printer(addax.callbacks.Callback):
    ...     def on_train_end(self, logs=None):
    ...         print("done:", sorted(logs))
    >>> model = addax.Sequential([addax.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = addax.ops.ones((4, 2)).numpy()
    >>> history = model.fit(x, x[:, :1], verbose=0, callbacks=[Printer()])
    done: ['loss']
    """

    # Whether batch hooks take the logs as the step returned them, tensors that nobody has waited for yet.
    _takes_tensor_logs = False

    def __init__(self):
        self.params: dict[str, Any] = {}
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The model that is being trained, evaluated or asked for predictions; `None` once it is gone."""
        return None if self._model is None else self._model()

    def set_params(self, params: dict[str, Any]) -> None:
        """Receives `params`.

        Args:
            params: The parameters of the running call.
        """
        self.params = params

    def set_model(self, model: Any) -> None:
        """Receives the model.

        Args:
            model: The model.
        """
        # Weakly: the model holds its History, and would otherwise keep itself alive.
        self._model = None if model is None else weakref.ref(model)

    def on_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """The older name of `on_train_batch_begin`.

        Args:
            batch: Number of the batch in the epoch.
            logs: Empty.
        """

    def on_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """The older name of `on_train_batch_end`.

        Args:
            batch: Number of the batch in the epoch.
            logs: Loss and metrics of the epoch so far.
        """

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Called before an epoch.

        Args:
            epoch: Its number, from 0.
            logs: Empty.
        """

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Called after an epoch and its validation.

        Args:
            epoch: Its number, from 0.
            logs: Loss and metrics of the epoch, those of validation with the prefix `val_`.
        """

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Called before a batch is trained on.

        Args:
            batch: Number of the batch in the epoch.
            logs: Empty.
        """
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Called after a batch was trained on.

        Args:
            batch: Number of the batch in the epoch.
            logs: Loss and metrics of the epoch so far.
        """
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Called before a batch is evaluated, also in validation.

        Args:
            batch: Number of the batch.
            logs: Empty.
        """

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Called after a batch was evaluated, also in validation.

        Args:
            batch: Number of the batch.
            logs: Loss and metrics so far.
        """

    def on_predict_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Called before a batch is predicted.

        Args:
            batch: Number of the batch.
            logs: Empty.
        """

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Called after a batch was predicted.

        Args:
            batch: Number of the batch.
            logs: `{"outputs": predictions}`.
        """

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Called when `fit` starts.

        Args:
            logs: Empty.
        """

    def on_train_end(self, logs: dict | None = None) -> None:
        """Called when `fit` ends.

        Args:
            logs: Those of the last epoch.
        """

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Called when an evaluation starts, also in validation.

        Args:
            logs: Empty.
        """

    def on_test_end(self, logs: dict | None = None) -> None:
        """Called when an evaluation ends.

        Args:
            logs: Loss and metrics.
        """

    def on_predict_begin(self, logs: dict | None = None) -> None:
        """Called when `predict` starts.

        Args:
            logs: Empty.
        """

    def on_predict_end(self, logs: dict | None = None) -> None:
        """Called when `predict` ends.

        Args:
            logs: Empty.
        """
