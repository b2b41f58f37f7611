"""LSTM, long short-term memory."""

from __future__ import annotations

from typing import Any

from addax import activations, initializers, ops
from addax.layers.rnn.fused_rnn import FusedRNN, of_cell
from addax.layers.rnn.recurrent_cell import RecurrentCell


class LSTMCell(RecurrentCell):
    """One step of an LSTM.

    With the gates `i`, `f`, `o` and the candidate `g`, in the columns of the kernels in the order i, f, g, o:
    `c = f * c + i * g` and `h = o * activation(c)`.

    Args:
        units: Number of outputs.
        activation: Function of the candidate, or its name.
        recurrent_activation: Function of the gates, or its name.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(features, 4 * units)`.
        recurrent_initializer: First value of `recurrent_kernel`, shape `(units, 4 * units)`.
        bias_initializer: First value of `bias`, shape `(4 * units,)`.
        unit_forget_bias: Whether the bias of the forget gate starts at 1.
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

    References:
        Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997).

    Example:

    >>> cell = addax.layers.LSTMCell(4)
    >>> output, states = cell(addax.ops.ones((2, 3)), [addax.ops.zeros((2, 4))] * 2)
    >>> output.shape, len(states)
    ((2, 4), 2)
    """

    op = "lstm"
    gates = 4
    states = 2

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
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
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def _bias_initializer(self) -> Any:
        if not self.unit_forget_bias:
            return self.bias_initializer

        def initializer(_, *args, **kwargs):
            first, ones = self.bias_initializer, initializers.get("ones")
            units = self.units
            parts = [first((units,), *args, **kwargs), ones((units,), *args, **kwargs)]
            return ops.concatenate([*parts, first((units * 2,), *args, **kwargs)])

        return initializer

    def call(self, inputs, states, training=False):
        """Returns the output of a step and the next states `[h, c]`; the output is `h`."""
        h, c = states
        per_gate, before = self._drop(inputs, h, training)
        z = self._project(per_gate, self.kernel.value) + self._project(before, self.recurrent_kernel.value)
        if self.bias is not None:
            z = z + self.bias.value
        i, f, g, o = ops.split(z, 4, axis=1)
        c = self.recurrent_activation(f) * c + self.recurrent_activation(i) * self.activation(g)
        h = self.recurrent_activation(o) * self.activation(c)
        return h, [h, c]

    def _own_config(self) -> dict:
        return {
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
            "unit_forget_bias": self.unit_forget_bias,
        }

    def get_config(self) -> dict:
        return {**super().get_config(), "seed": self.seed}


class LSTM(FusedRNN):
    """Long short-term memory: a recurrence whose gates decide what its cells take in, keep and give out.

    With the gates `i`, `f`, `o` and the candidate `g`, in the columns of the kernels in the order i, f, g, o:
    `c = f * c + i * g` and `h = o * activation(c)`.

    With the default activations one op runs all steps; otherwise, or with recurrent dropout in training, the cell is
    called step by step.

    Args:
        units: Number of outputs.
        activation: Function of the candidate, or its name.
        recurrent_activation: Function of the gates, or its name.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(features, 4 * units)`.
        recurrent_initializer: First value of `recurrent_kernel`, shape `(units, 4 * units)`.
        bias_initializer: First value of `bias`, shape `(4 * units,)`.
        unit_forget_bias: Whether the bias of the forget gate starts at 1.
        kernel_regularizer: Penalty on `kernel`.
        recurrent_regularizer: Penalty on `recurrent_kernel`.
        bias_regularizer: Penalty on `bias`.
        activity_regularizer: Penalty on the output.
        kernel_constraint: Projection of `kernel` after every update.
        recurrent_constraint: Projection of `recurrent_kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        dropout: The part of the inputs to drop in training, the same in all steps.
        recurrent_dropout: The part of the states to drop in training, the same in all steps.
        seed: An int for reproducible dropout.
        return_sequences: Whether to return the outputs of all steps, not only the last.
        return_state: Whether to return the last states behind the output.
        go_backwards: Whether to go from the last step to the first; outputs then are in that order.
        stateful: Whether a batch starts with the last states of the batch before. The batch size must be known.
        unroll: Steps are unrolled in any case; Keras's unrolled masks are followed: masked steps at the start give 0.
        use_cudnn: `True`: an error where the fused kernel cannot be used. Other values make no difference.
        **kwargs: `zero_output_for_mask` (whether masked steps give 0, not the output before) and arguments of `Layer`.

    Inputs: `sequences` of shape `(batch, time, features)`, `initial_state` (a list of two tensors of shape
    `(batch, units)`), `mask` of shape `(batch, time)`, and `training`. The output has shape `(batch, units)`, with
    `return_sequences` `(batch, time, units)`.

    Raises:
        ValueError: If `units` is not positive.

    References:
        Hochreiter and Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997).

    Example:

    >>> layer = addax.layers.LSTM(4, return_sequences=True, return_state=True)
    >>> outputs, h, c = layer(addax.ops.ones((2, 7, 3)))
    >>> outputs.shape, h.shape, c.shape
    ((2, 7, 4), (2, 4), (2, 4))
    """

    _cell_arguments = (
        "units",
        "activation",
        "recurrent_activation",
        "use_bias",
        "kernel_initializer",
        "recurrent_initializer",
        "bias_initializer",
        "unit_forget_bias",
        "kernel_regularizer",
        "recurrent_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "recurrent_constraint",
        "bias_constraint",
        "dropout",
        "recurrent_dropout",
        "seed",
    )
    recurrent_activation = of_cell("recurrent_activation")
    unit_forget_bias = of_cell("unit_forget_bias")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        use_cudnn: Any = "auto",
        **kwargs,
    ):
        cell = LSTMCell(
            units,
            activation=activation,
            recurrent_activation=recurrent_activation,
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
            unit_forget_bias=unit_forget_bias,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="lstm_cell",
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
            use_cudnn=use_cudnn,
            **kwargs,
        )

    def _is_fusable(self, mask: Any, training: bool) -> bool:
        return super()._is_fusable(mask, training) and self.cell.recurrent_activation is activations.sigmoid
