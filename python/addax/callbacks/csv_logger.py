"""CSVLogger: writes the logs of epochs into a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from typing import Any

from addax.callbacks.callback import Callback


class CSVLogger(Callback):
    """Writes a line of comma-separated values for each epoch.

    Args:
        filename: Where to.
        separator: What stands between values.
        append: Whether to go on with a file that is there, such as that of an interrupted run.

    Example:

    >>> import pathlib, tempfile
    >>> model = addax.Sequential([addax.layers.Dense(1)])
    >>> model.compile("sgd", "mse")
    >>> x = addax.ops.ones((4, 2)).numpy()
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = addax.callbacks.CSVLogger(folder + "/log.csv")
    ...     history = model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[log])
    ...     pathlib.Path(folder, "log.csv").read_text().split()[0]
    'epoch,loss'
    """

    def __init__(self, filename: Any, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename = os.fspath(filename)
        self.sep = separator
        self.append = append
        self.keys: list[str] | None = None
        self._file: Any = None

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Opens the file."""
        self.keys = None
        if self.append and os.path.exists(self.filename):
            with open(self.filename, newline="") as file:
                header = next(csv.reader(file, delimiter=self.sep), None)
            self.keys = header[1:] if header else None
        self._file = open(self.filename, "a" if self.append else "w", newline="")  # noqa: SIM115

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Writes a line.

        Args:
            epoch: The number of the epoch.
            logs: Its logs.
        """
        logs = logs or {}
        writer = csv.writer(self._file, delimiter=self.sep, lineterminator="\n")
        if self.keys is None:
            self.keys = sorted(logs)
            writer.writerow(["epoch", *self.keys])
        writer.writerow([epoch, *(_cell(logs.get(key, "NA")) for key in self.keys)])
        self._file.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _cell(value: Any) -> Any:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return f'"[{", ".join(map(str, value))}]"'
    return value
