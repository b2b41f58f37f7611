"""StackedRNNCells: several cells as one."""

from __future__ import annotations

from typing import Any

from addax import ops, saving
from addax.layers.layer import Layer


class StackedRNNCells(Layer):
    """Cells one above the other: the output of each is the input of the next.

    Args:
        cells: List of cells.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If one of them is no cell.

    Example:

    >>> cell = addax.layers.StackedRNNCells([addax.layers.LSTMCell(4), addax.layers.GRUCell(5)])
    >>> cell.state_size, cell.output_size
    ([[4, 4], 5], 5)
    """

    def __init__(self, cells: Any, **kwargs):
        super().__init__(**kwargs)
        for cell in cells:
            if "call" not in dir(cell):
                raise ValueError(f"All cells must have a `call` method. Received cell without a `call` method: {cell}")
            if "state_size" not in dir(cell):
                raise ValueError(
                    f"All cells must have a `state_size` attribute. Received cell without a `state_size`: {cell}"
                )
        self.cells = list(cells)

    @property
    def state_size(self) -> list:
        """The state sizes of the cells."""
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self) -> Any:
        """The output size of the last cell."""
        last = self.cells[-1]
        if getattr(last, "output_size", None) is not None:
            return last.output_size
        return last.state_size[0] if isinstance(last.state_size, (list, tuple)) else last.state_size

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Returns the states before the first step, one list for each cell.

        Args:
            batch_size: The number of sequences.
        """
        states = []
        for cell in self.cells:
            if hasattr(cell, "get_initial_state"):
                states.append(cell.get_initial_state(batch_size=batch_size))
            elif isinstance(cell.state_size, int):
                states.append(ops.zeros((batch_size, cell.state_size), dtype=self.compute_dtype))
            else:
                states.append([ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in cell.state_size])
        return states

    def build(self, input_shape: tuple) -> None:
        """Builds the cells."""
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                cell.build(input_shape)
            size = getattr(cell, "output_size", None)
            if size is None:
                size = cell.state_size[0] if isinstance(cell.state_size, (list, tuple)) else cell.state_size
            input_shape = (input_shape[0], *(size if isinstance(size, (list, tuple)) else (size,)))

    def call(self, inputs, states, training=False, **kwargs):
        """One step of every cell."""
        new_states = []
        for cell, state in zip(self.cells, states, strict=True):
            nested = isinstance(state, (list, tuple))
            if isinstance(cell, Layer) and cell._signature().takes_training:
                kwargs["training"] = training
            else:
                kwargs.pop("training", None)
            inputs, new = cell(inputs, list(state) if nested else [state], **kwargs)
            new = list(new) if isinstance(new, (list, tuple)) else [new]
            new_states.append(new if nested else new[0])
        return inputs, new_states

    def get_config(self) -> dict:
        return {**super().get_config(), "cells": [saving.serialize_keras_object(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> StackedRNNCells:
        """Makes a cell of what `get_config` returned.

        Args:
            config: The config.
            custom_objects: Further classes by name.
        """
        cells = [saving.deserialize_keras_object(cell, custom_objects=custom_objects) for cell in config["cells"]]
        return cls(cells, **{key: value for key, value in config.items() if key != "cells"})
