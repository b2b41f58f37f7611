"""ProgbarLogger: what `fit`, `evaluate` and `predict` print."""

from __future__ import annotations

from typing import Any

from addax.callbacks.callback import Callback
from addax.utils import io_utils
from addax.utils.progbar import Progbar


class ProgbarLogger(Callback):
    """Prints a progress bar, or a line an epoch. `verbose` adds one by itself.

    Example:

    >>> model = addax.Sequential([addax.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = addax.ops.ones((4, 2)).numpy()
    >>> _ = model.fit(x, x[:, :1], verbose=2)  # doctest: +ELLIPSIS
    1/1 - 0s - ...s/step - loss: ...
    """

    _takes_tensor_logs = True

    def __init__(self):
        super().__init__()
        self.seen = 0
        self.progbar: Progbar | None = None
        self.target: int | None = None
        self.verbose = 1
        self.epochs = 1
        self._in_fit = False

    def set_params(self, params: dict[str, Any]) -> None:
        """Receives `verbose`, `epochs` and `steps`.

        Args:
            params: The parameters of the running call.
        """
        super().set_params(params)
        self.verbose = io_utils.resolve_verbose(params.get("verbose", "auto"))
        self.epochs = params.get("epochs", 1)
        self.target = params.get("steps")

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Notes that evaluations to come are validation, which prints nothing of its own."""
        self._in_fit = True

    def on_train_end(self, logs: dict | None = None) -> None:
        """Notes that `fit` is done."""
        self._in_fit = False

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Prints the heading of the epoch."""
        self._start(self.params.get("steps"))
        if self.verbose and self.epochs > 1:
            io_utils.print_msg(f"Epoch {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the bar."""
        self._update(batch, logs)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Finishes the bar."""
        self._finish(logs)

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Starts a bar."""
        if not self._in_fit:
            self._start(self.params.get("steps"))

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the bar."""
        if not self._in_fit:
            self._update(batch, logs)

    def on_test_end(self, logs: dict | None = None) -> None:
        """Finishes the bar."""
        if not self._in_fit:
            self._finish(logs)

    def on_predict_begin(self, logs: dict | None = None) -> None:
        """Starts a bar."""
        self._start(self.params.get("steps"))

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Moves the bar."""
        self._update(batch, None)

    def on_predict_end(self, logs: dict | None = None) -> None:
        """Finishes the bar."""
        self._finish(logs)

    def _start(self, target: int | None) -> None:
        self.seen = 0
        self.target = target
        # Logs are the mean of the epoch so far already.
        self.progbar = Progbar(target, verbose=self.verbose, stateless_metrics=(), unit_name="step")

    def _update(self, batch: int, logs: dict | None) -> None:
        self.seen = batch + 1
        if self.verbose == 1 and self.progbar is not None:
            # The bar asks for values, and so waits for the step, only when it draws.
            values = sorted_numbers(logs) if self.progbar.is_due(self.seen, False) else None
            self.progbar.update(self.seen, values, finalize=False)

    def _finish(self, logs: dict | None) -> None:
        if self.progbar is None:
            return
        if self.target is None:
            self.target = self.progbar.target = self.seen
        self.progbar.update(self.seen, sorted_numbers(logs), finalize=True)


def sorted_numbers(logs: dict | None) -> list[tuple[str, Any]]:
    """The logs as pairs of a name and a number."""
    from addax.callbacks.callback_list import pythonify_logs

    return list(pythonify_logs(logs).items())
