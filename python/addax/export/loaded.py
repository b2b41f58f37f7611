"""Exported models read back: what a C++ program would get of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from addax import engine
from addax.engine import Tensor
from addax.saving.files import local_path


class LoadedModel:
    """An exported function, as `addax::Model` in C++ runs it. Made by `addax.export.load`.

    Calls take one array or tensor per input, in order or by name, and return a tensor, or a dict of them by name if
    there are several outputs. Several threads may call at once.
    """

    def __init__(self, model: Any, path: str):
        self._model = model
        self._path = path

    @property
    def inputs(self) -> list[tuple[str, str, tuple]]:
        """Name, dtype and shape of each input; an open dim is the name of its size."""
        return self._model.inputs

    @property
    def outputs(self) -> list[tuple[str, str, tuple]]:
        """Name, dtype and shape of each output; a dim that follows from others is `None`."""
        return self._model.outputs

    @property
    def endpoints(self) -> list[str]:
        """The names of the file's functions."""
        return self._model.endpoints

    def endpoint(self, name: str) -> LoadedModel:
        """Returns another function of the same file.

        Args:
            name: Its name.

        Raises:
            ValueError: If there is none of that name.
        """
        return LoadedModel(self._model.endpoint(name), self._path)

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        """The file's named tensors, read-only."""
        return {name: np.asarray(value) for name, value in engine.file_content(self._path)[2] if name}

    def initial_state(self) -> Any:
        """Returns the state of a stateful model as it was exported; `None` for one without."""
        return self._model.initial_state() if self._model.has_state else None

    def __call__(self, *inputs: Any, state: Any = None, **named: Any) -> Tensor | dict[str, Tensor]:
        if len(inputs) == 1 and isinstance(inputs[0], Mapping):
            named = dict(inputs[0])
            inputs = ()
        if named:
            names = [name for name, _, _ in self.inputs]
            if inputs or sorted(named) != sorted(names):
                raise ValueError(f"Expected the inputs {', '.join(names)}. Received: {', '.join(named)}")
            inputs = tuple(named[name] for name in names)
        elif len(inputs) == 1 and isinstance(inputs[0], (list, tuple)) and len(self.inputs) == len(inputs[0]):
            inputs = tuple(inputs[0])
        given = [self._converted(x, i) for i, x in enumerate(inputs)]
        results = self._model.run(given, state)
        return results[0] if len(results) == 1 else dict(zip((o[0] for o in self.outputs), results, strict=True))

    def _converted(self, x: Any, i: int) -> Any:
        if isinstance(x, (Tensor, np.ndarray)) or i >= len(self.inputs):
            return x
        return np.asarray(x, self.inputs[i][1])

    def stats(self, *shapes: Sequence[int]) -> dict[str, int]:
        """Returns what a run takes with inputs of these shapes: bytes of weights and inner values, FLOPs, steps."""
        return self._model.stats([list(shape) for shape in shapes])

    def check_example(self) -> None:
        """Runs the recorded example.

        Raises:
            RuntimeError: If the results are not the recorded ones, but for rounding.
        """
        self._model.check_example()


def load(filepath: Any, endpoint: str | None = None, verify: bool = False, device: str | None = None) -> LoadedModel:
    """Opens a `.addax` file. No code is run from it, and nothing of it is trusted.

    Args:
        filepath: The file.
        endpoint: Which function calls run; the first if not given.
        verify: Whether to check every byte of the weights and the recorded example.
        device: Where it runs, if not on the default device.

    Returns:
        A `LoadedModel`.

    Raises:
        ValueError: If the file is none, is damaged, or of a later version.

    Example:

    >>> import os, tempfile
    >>> model = addax.Sequential([addax.Input((3,)), addax.layers.Dense(2)])
    >>> path = os.path.join(tempfile.mkdtemp(), "m.addax")
    >>> model.export(path, verbose=False)
    >>> addax.export.load(path, verify=True)(np.ones((4, 3), "float32")).shape
    (4, 2)
    """
    path = local_path(filepath)
    return LoadedModel(engine.Model.load(path, device or "", verify, endpoint or ""), path)


def load_weights(model: Any, filepath: Any) -> None:
    """Gives a model the weights of a `.addax` file, such as one that a C++ program has trained.

    Args:
        model: The model, with the same variables by path as the one that was exported.
        filepath: The file.

    Raises:
        ValueError: If a variable of the model is not in the file, or has another shape; then nothing has changed.
    """
    tensors = {name: value for name, value in engine.file_content(local_path(filepath), True)[2] if name}
    missing = [v.path for v in model.variables if v.path not in tensors]
    if missing:
        raise ValueError(
            f"{filepath}: the file has no tensor for {', '.join(missing)}; it has {', '.join(tensors)}. Files of "
            "`export_training` have all weights; `export` folds some into others."
        )
    for v in model.variables:
        if tuple(tensors[v.path].shape) != tuple(v.shape):
            raise ValueError(f"{filepath}: {v.path} has shape {tensors[v.path].shape} there, expected {v.shape}")
    for v in model.variables:
        v.assign(tensors[v.path])
