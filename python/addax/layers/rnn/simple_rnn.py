"""SimpleRNN: `h = tanh(x @ kernel + h @ recurrent_kernel + bias)`."""

from __future__ import annotations

from typing import Any

from addax.layers.rnn.fused_rnn import FusedRNN
from addax.layers.rnn.recurrent_cell import RecurrentCell


class SimpleRNNCell(RecurrentCell):
    """One step of a SimpleRNN: `activation(x @ kernel + h @ recurrent_kernel + bias)`.

    Args:
        units: Number of outputs.
        activation: Function of the output, or its name.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(features, units)`.
        recurrent_initializer: First value of `recurrent_kernel`, shape `(units, units)`.
        bias_initializer: First value of `bias`, shape `(units,)`.
        kernel_regularizer: Penalty on `kernel`.
        recurrent_regularizer: Penalty on `recurrent_kernel`.
        bias_regularizer: Penalty on `bias`.
        kernel_constraint: Projection of `kernel` after every update.
        recurrent_constraint: Projection of `recurrent_kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        dropout: The part of the inputs to drop in training, the same in all steps.
        recurrent_dropout: The part of the states to drop in training, the same in all steps.
        seed: An int for reproducible dropout.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If `units` is not positive.

    Example:

    >>> cell = addax.layers.SimpleRNNCell(4)
    >>> output, states = cell(addax.ops.ones((2, 3)), [addax.ops.zeros((2, 4))])
    >>> output.shape, len(states)
    ((2, 4), 1)
    """

    op = "simple_rnn"

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            seed,
            **kwargs,
        )

    def call(self, sequence, states, training=False):
        """Returns the output of a step and the next state, which are the same."""
        state = states[0] if isinstance(states, (list, tuple)) else states
        inputs, before = self._drop(sequence, state, training)
        h = self._project(inputs, self.kernel.value) + self._project(before, self.recurrent_kernel.value)
        if self.bias is not None:
            h = h + self.bias.value
        output = self.activation(h) if self.activation is not None else h
        return output, [output] if isinstance(states, (list, tuple)) else output

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self.seed}


class SimpleRNN(FusedRNN):
    """Fully connected recurrence: each output is fed back at the next step.

    With the default activations one op runs all steps; otherwise, or with recurrent dropout in training, the cell is
    called step by step.

    Args:
        units: Number of outputs.
        activation: Function of the output, or its name.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(features, units)`.
        recurrent_initializer: First value of `recurrent_kernel`, shape `(units, units)`.
        bias_initializer: First value of `bias`, shape `(units,)`.
        kernel_regularizer: Penalty on `kernel`.
        recurrent_regularizer: Penalty on `recurrent_kernel`.
        bias_regularizer: Penalty on `bias`.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Projection of `kernel` after every update.
        recurrent_constraint: Projection of `recurrent_kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        dropout: The part of the inputs to drop in training, the same in all steps.
        recurrent_dropout: The part of the states to drop in training, the same in all steps.
        return_sequences: Whether to return the outputs of all steps, not only the last.
        return_state: Whether to return the last state behind the output.
        go_backwards: Whether to go from the last step to the first; outputs then are in that order.
        stateful: Whether a batch starts with the last states of the batch before. The batch size must be known.
        unroll: Steps are unrolled in any case; Keras's unrolled masks are followed: masked steps at the start give 0.
        seed: An int for reproducible dropout.
        **kwargs: `zero_output_for_mask` (whether masked steps give 0, not the output before) and arguments of `Layer`.

    Inputs: `sequences` of shape `(batch, time, features)`, `initial_state` (a list of one tensor of shape
    `(batch, units)`), `mask` of shape `(batch, time)`, and `training`. The output has shape `(batch, units)`, with
    `return_sequences` `(batch, time, units)`.

    Raises:
        ValueError: If `units` is not positive.

    Example:

    >>> layer = addax.layers.SimpleRNN(4, return_sequences=True)
    >>> layer(addax.ops.ones((2, 7, 3))).shape
    (2, 7, 4)
    """

    _cell_arguments = (
        "units",
        "activation",
        "use_bias",
        "kernel_initializer",
        "recurrent_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "recurrent_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "recurrent_constraint",
        "bias_constraint",
        "dropout",
        "recurrent_dropout",
    )

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        seed: int | None = None,
        **kwargs,
    ):
        cell = SimpleRNNCell(
            units,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="simple_rnn_cell",
            implementation=kwargs.pop("implementation", 2),
        )
        super().__init__(
            cell,
            return_sequences=return_sequences,
            return_state=return_state,
            go_backwards=go_backwards,
            stateful=stateful,
            unroll=unroll,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
