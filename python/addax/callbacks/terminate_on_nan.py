"""TerminateOnNaN: ends training when the loss is no longer a number."""

from __future__ import annotations

import math
from typing import Any

from addax.callbacks.callback import Callback
from addax.utils import io_utils


class TerminateOnNaN(Callback):
    """Ends training when the loss is NaN or infinite.

    Args:
        raise_error: Whether to raise an error instead of ending `fit`.

    Raises:
        RuntimeError: From `fit`, with `raise_error`.

    Example:

    >>> callback = addax.callbacks.TerminateOnNaN()
    >>> callback.raise_error
    False
    """

    def __init__(self, raise_error: bool = False):
        super().__init__()
        self.raise_error = raise_error

    def on_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at the loss.

        Args:
            batch: The number of the batch.
            logs: The logs so far.
        """
        loss = (logs or {}).get("loss")
        if loss is None or math.isfinite(loss):
            return
        if self.raise_error:
            raise RuntimeError(
                f"NaN or Inf loss encountered at batch {batch}. Loss value: {loss}. Terminating training immediately."
            )
        io_utils.print_msg(f"Batch {batch}: Invalid loss, terminating training")
        self.model.stop_training = True
