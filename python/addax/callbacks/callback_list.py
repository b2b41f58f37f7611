"""CallbackList: one callback that calls many."""

from __future__ import annotations

from typing import Any

from addax import engine, tree
from addax.callbacks.callback import Callback
from addax.callbacks.history import History
from addax.callbacks.progbar_logger import ProgbarLogger


def pythonify_logs(logs: dict[str, Any] | None) -> dict[str, Any]:
    """Logs with numbers for tensors, sorted by name; dicts in them are merged in.

    Args:
        logs: What a step returned.

    Example:

    >>> pythonify_logs({"loss": addax.ops.ones(()), "all": {"acc": 0.5}})
    {'acc': 0.5, 'loss': 1.0}
    """
    result: dict[str, Any] = {}
    for name, value in sorted((logs or {}).items()):
        if isinstance(value, dict):
            result.update(pythonify_logs(value))
        else:
            result[name] = _number(value)
    return result


def _number(value: Any) -> Any:
    if isinstance(value, (int, float, str)) or value is None:
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


# A hook that nobody overrides is not called. Found by the functions themselves, since libraries replace methods of
# instances after they are made.
_HOOKS = {
    "on_train_batch_begin": ("on_batch_begin",),
    "on_train_batch_end": ("on_batch_end",),
    "on_test_batch_begin": (),
    "on_test_batch_end": (),
    "on_predict_batch_begin": (),
    "on_predict_batch_end": (),
}
_DEFAULTS = {name: getattr(Callback, name) for hooks in _HOOKS.items() for name in (hooks[0], *hooks[1])}


def _overrides(callback: Any, name: str) -> bool:
    for hook in (name, *_HOOKS[name]):
        if getattr(getattr(callback, hook), "__func__", None) is not _DEFAULTS[hook]:
            return True
    return False


class CallbackList(Callback):
    """Calls all of a list of callbacks in order.

    Args:
        callbacks: Callbacks, or one.
        add_history: Whether to add a `History` if there is none.
        add_progbar: Whether to add a `ProgbarLogger` if there is none.
        model: The model, given to all.
        **params: Parameters such as `verbose`, `epochs` and `steps`, given to all.

    Raises:
        TypeError: If an item is no callback.

    Example:

    >>> from addax.callbacks import CallbackList
    >>> len(CallbackList([addax.callbacks.TerminateOnNaN()], add_history=True).callbacks)
    2
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ):
        super().__init__()
        self.callbacks = [] if callbacks is None else tree.flatten(callbacks)
        #: By hook of batches, those that override it; found once an epoch.
        self._listeners: dict[str, list] = {}
        for callback in self.callbacks:
            if not hasattr(callback, "on_train_begin"):
                raise TypeError(
                    "`callbacks` must be a Callback or a list of them. "
                    f"Received: {callback!r} (of type {type(callback).__name__})"
                )
        if add_progbar and not any(isinstance(c, ProgbarLogger) for c in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        if add_history and not any(isinstance(c, History) for c in self.callbacks):
            self.callbacks.append(History())
        if model is not None:
            self.set_model(model)
        if params:
            self.set_params(params)

    def append(self, callback: Callback) -> None:
        """Adds a callback.

        Args:
            callback: A callback.
        """
        self.callbacks.append(callback)
        self._listeners.clear()

    def set_params(self, params: dict[str, Any]) -> None:
        """Gives parameters to all.

        Args:
            params: The parameters of the running call.
        """
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Gives the model to all.

        Args:
            model: The model.
        """
        super().set_model(model)
        for callback in self.callbacks:
            callback.set_model(model)

    def on_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Calls all."""
        for callback in self.callbacks:
            callback.on_batch_begin(batch, logs=logs or {})

    def on_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Calls all."""
        for callback in self.callbacks:
            callback.on_batch_end(batch, logs=pythonify_logs(logs))

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Calls all."""
        self._listeners.clear()
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, logs or {})

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Calls all with the same dict, to which one may add what the next ones see."""
        logs = {} if logs is None else logs
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)

    def on_train_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Calls those that override the method."""
        self._call("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Calls those that override the method."""
        self._call("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Calls those that override the method."""
        self._call("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Calls those that override the method."""
        self._call("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: dict | None = None) -> None:
        """Calls those that override the method."""
        self._call("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: dict | None = None) -> None:
        """Calls those that override the method."""
        for callback in self._listening("on_predict_batch_end"):
            outputs = tree.map_structure(_to_numpy, logs or {})
            callback.on_predict_batch_end(batch, logs=outputs)

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Calls all."""
        for callback in self.callbacks:
            callback.on_train_begin(logs or {})

    def on_train_end(self, logs: dict | None = None) -> None:
        """Calls all."""
        for callback in self.callbacks:
            callback.on_train_end(logs or {})

    def on_test_begin(self, logs: dict | None = None) -> None:
        """Calls all."""
        for callback in self.callbacks:
            callback.on_test_begin(logs or {})

    def on_test_end(self, logs: dict | None = None) -> None:
        """Calls all."""
        for callback in self.callbacks:
            callback.on_test_end(logs or {})

    def on_predict_begin(self, logs: dict | None = None) -> None:
        """Calls all."""
        for callback in self.callbacks:
            callback.on_predict_begin(logs or {})

    def on_predict_end(self, logs: dict | None = None) -> None:
        """Calls all."""
        for callback in self.callbacks:
            callback.on_predict_end(logs or {})

    def sees_batches(self, mode: str) -> bool:
        """Returns whether anything happens before or after a batch.

        Args:
            mode: `"train"`, `"test"` or `"predict"`.
        """
        hooks = (f"on_{mode}_batch_begin", f"on_{mode}_batch_end")
        return any(
            getattr(getattr(self, hook), "__func__", None) is not getattr(CallbackList, hook) or self._listening(hook)
            for hook in hooks
        )

    def _listening(self, name: str) -> list:
        found = self._listeners.get(name)
        if found is None:
            found = self._listeners[name] = [c for c in self.callbacks if _overrides(c, name)]
        return found

    def _call(self, name: str, batch: int, logs: dict | None) -> None:
        numbers = None
        for callback in self._listening(name):
            if getattr(callback, "_takes_tensor_logs", False):
                getattr(callback, name)(batch, logs or {})
                continue
            if numbers is None:
                numbers = pythonify_logs(logs)
            getattr(callback, name)(batch, logs=numbers)


def _to_numpy(value: Any) -> Any:
    return value.numpy() if isinstance(value, engine.Tensor) else value
