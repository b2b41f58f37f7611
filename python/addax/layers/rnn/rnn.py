"""RNN: runs a cell over the time steps of sequences."""

from __future__ import annotations

from typing import Any

from addax import ops, saving, tree
from addax.layers.layer import Layer
from addax.layers.rnn.recurrence import run_steps
from addax.layers.rnn.stacked_rnn_cells import StackedRNNCells
from addax.variables import Variable


class _Memory:
    """The variables that a stateful layer keeps its states in. They are no weights: nothing saves or counts them."""

    def __init__(self, states: Any):
        self.states = states


class RNN(Layer):
    """Runs a cell over the time steps of sequences.

    A cell has a method `call(inputs, states)` that returns the output of a step and the next states, and an attribute
    `state_size`: an int or a list of ints, one for each state. It may have `output_size`, a method
    `get_initial_state(batch_size)` and an argument `training` of `call`.

    Args:
        cell: The cell, or a list of cells that are stacked.
        return_sequences: Whether to return the outputs of all steps, not only the last.
        return_state: Whether to return the last states behind the output.
        go_backwards: Whether to go from the last step to the first; outputs then are in that order.
        stateful: Whether a batch starts with the last states of the batch before. The batch size must be known.
        unroll: Steps are unrolled in any case; Keras's unrolled masks are followed: masked steps at the start give 0.
        zero_output_for_mask: Whether masked steps give 0 instead of the output before.
        **kwargs: Arguments of `Layer`.

    Inputs: `sequences` of shape `(batch, time, ...)`, `initial_state` (a list of tensors), `mask` of shape
    `(batch, time)`, and `training`. The output has shape `(batch, output_size)`, with `return_sequences`
    `(batch, time, output_size)`.

    Raises:
        ValueError: If `cell` is no cell.

    Example:

    >>> layer = addax.layers.RNN([addax.layers.LSTMCell(4), addax.layers.GRUCell(5)], return_sequences=True)
    >>> layer(addax.ops.ones((2, 7, 3))).shape
    (2, 7, 5)
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs,
    ):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        if "call" not in dir(cell):
            raise ValueError(f"Argument `cell` should have a `call` method. Received: cell={cell}")
        if "state_size" not in dir(cell):
            raise ValueError(
                "The RNN cell should have a `state_size` attribute (single integer or list of integers, one integer "
                f"per RNN state). Received: cell={cell}"
            )
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self._supports_masking = True
        self.single_state = isinstance(cell.state_size, int)
        self.state_size = [cell.state_size] if self.single_state else list(cell.state_size)
        self._memory: _Memory | None = None

    @property
    def states(self) -> Any:
        """The variables that a stateful layer keeps its states in; `None` if it is not stateful or not built."""
        return None if self._memory is None else self._memory.states

    def build(self, sequences_shape: tuple, initial_state_shape: Any = None) -> None:
        """Builds the cell."""
        if isinstance(self.cell, Layer) and not self.cell.built:
            self.cell.build((sequences_shape[0], *sequences_shape[2:]))
        if self.stateful:
            batch_size = sequences_shape[0]
            if batch_size is None:
                raise ValueError(
                    "When using `stateful=True` in a RNN, the batch size must be static. Found dynamic batch size: "
                    f"sequence.shape={sequences_shape}"
                )
            self._memory = _Memory(
                tree.map_structure(
                    lambda value: Variable(value, trainable=False, dtype=self.variable_dtype, name="rnn_state"),
                    self.get_initial_state(batch_size),
                )
            )

    def get_initial_state(self, batch_size: int) -> list:
        """Returns the states before the first step where none are given: those that the cell says, else zeros.

        Args:
            batch_size: The number of sequences.
        """
        if hasattr(self.cell, "get_initial_state"):
            states = self.cell.get_initial_state(batch_size=batch_size)
            return list(states) if isinstance(states, (list, tuple)) else [states]
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_size]

    def reset_state(self) -> None:
        """Sets the states of a stateful layer to zero."""
        if self._memory is not None:
            for variable in tree.flatten(self._memory.states):
                variable.assign(ops.zeros(variable.shape, dtype=variable.dtype))

    reset_states = reset_state

    def call(self, sequences, initial_state=None, mask=None, training=False):
        """Runs the cell over the steps."""
        if initial_state is not None:
            states = list(initial_state) if isinstance(initial_state, (list, tuple)) else [initial_state]
            if len(states) != len(self.state_size):
                raise ValueError(
                    f"{type(self).__name__}: expected {len(self.state_size)} initial states, one for each in "
                    f"state_size={self.state_size}. Received {len(states)}."
                )
        elif self._memory is not None:
            states = tree.map_structure(lambda v: self._cast(v.value), self._memory.states)
            batch_size = tree.flatten(states)[0].shape[0]
            if sequences.shape[0] != batch_size:
                raise ValueError(
                    "If an RNN is stateful, the batch size of the input sequences must be the same as the batch size "
                    f"of the initial state. \n- Expected batch size: {batch_size}\n"
                    f"- Received batch size: {sequences.shape[0]}"
                )
        else:
            states = self.get_initial_state(sequences.shape[0])
        if mask is not None:
            mask = ops.cast(mask, "bool")
            if len(mask.shape) == 3 and mask.shape[2] == 1:
                mask = mask[:, :, 0]
            if mask.shape != sequences.shape[:2]:
                raise ValueError(
                    f"{type(self).__name__}: expected a mask of shape {sequences.shape[:2]}, (batch, time). "
                    f"Received: mask of shape {mask.shape}"
                )
        self._forget_dropout_masks()
        try:
            last, outputs, states = self.inner_loop(sequences, states, mask, training=training)
        finally:
            self._forget_dropout_masks()
        if self._memory is not None:
            for variable, value in zip(tree.flatten(self._memory.states), tree.flatten(states), strict=True):
                variable.assign(value)
        output = outputs if self.return_sequences else last
        return (output, *states) if self.return_state else output

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Returns the last output, all of them, and the last states.

        Args:
            sequences: Tensor of shape `(batch, time, ...)`.
            initial_state: List of states.
            mask: Bool tensor of shape `(batch, time)` or `None`.
            training: Whether the call is part of training.
        """
        kwargs = {}
        if isinstance(self.cell, Layer) and self.cell._signature().takes_training:
            kwargs["training"] = training

        def step(inputs, states):
            output, new_states = self.cell(inputs, states, **kwargs)
            return output, list(new_states) if isinstance(new_states, (list, tuple)) else [new_states]

        return run_steps(
            step,
            sequences,
            initial_state,
            mask,
            go_backwards=self.go_backwards,
            zero_output_for_mask=self.zero_output_for_mask and not self.unroll,
            start_from_zeros=self.unroll,
            all_outputs=self.return_sequences,
        )

    def _forget_dropout_masks(self) -> None:
        for cell in self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]:
            for name in ("reset_dropout_mask", "reset_recurrent_dropout_mask"):
                if hasattr(cell, name):
                    getattr(cell, name)()

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Returns the mask of the inputs for the outputs of all steps, none for a last output and states."""
        output = previous_mask if self.return_sequences else None
        return [output, *[None for _ in tree.flatten(self.state_size)]] if self.return_state else output

    def get_config(self) -> dict:
        return {**self._loop_config(), "cell": saving.serialize_keras_object(self.cell)}

    def _loop_config(self) -> dict:
        return {
            **super().get_config(),
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> RNN:
        """Makes a layer of what `get_config` returned.

        Args:
            config: The config.
            custom_objects: Further classes by name.
        """
        cell = saving.deserialize_keras_object(config["cell"], custom_objects=custom_objects)
        return cls(cell, **{key: value for key, value in config.items() if key != "cell"})
