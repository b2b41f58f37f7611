"""History: the logs of all epochs."""

from __future__ import annotations

from typing import Any

from addax.callbacks.callback import Callback


class History(Callback):
    """Keeps the logs of every epoch. `fit` adds one by itself and returns it.

    Attributes:
        epoch: The numbers of the epochs.
        history: A list of values for each name.

    Example:

    >>> model = addax.Sequential([addax.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = addax.ops.ones((4, 2)).numpy()
    >>> history = model.fit(x, x[:, :1], epochs=3, verbose=0)
    >>> history.epoch, len(history.history["loss"])
    ([0, 1, 2], 3)
    """

    def __init__(self):
        super().__init__()
        self.epoch: list[int] = []
        self.history: dict[str, list] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Starts a list of epochs; values of an earlier `fit` with the same object stay.

        Args:
            logs: Empty.
        """
        self.epoch = []
        self.model.history = self

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Notes the logs.

        Args:
            epoch: The number of the epoch.
            logs: Its logs.
        """
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
