"""GRU, the gated recurrent unit."""

from __future__ import annotations

from typing import Any

from addax import activations, ops
from addax.layers.rnn.fused_rnn import FusedRNN, of_cell
from addax.layers.rnn.recurrent_cell import RecurrentCell


class GRUCell(RecurrentCell):
    """One step of a GRU.

    With the gates `z`, `r` and the candidate `g`, which stand in the columns of the kernels in this order:
    `h = z * h + (1 - z) * g`. The reset gate `r` scales the state before its product with the recurrent kernel, or,
    with `reset_after`, the product.

    Args:
        units: Number of outputs.
        activation: Function of the candidate, or its name.
        recurrent_activation: Function of the gates, or its name.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(features, 3 * units)`.
        recurrent_initializer: First value of `recurrent_kernel`, shape `(units, 3 * units)`.
        bias_initializer: First value of `bias`, shape `(2, 3 * units)` with `reset_after`, else `(3 * units,)`.
        kernel_regularizer: Penalty on `kernel`.
        recurrent_regularizer: Penalty on `recurrent_kernel`.
        bias_regularizer: Penalty on `bias`.
        kernel_constraint: Projection of `kernel` after every update.
        recurrent_constraint: Projection of `recurrent_kernel` after every update.
        bias_constraint: Projection of `bias` after every update.
        dropout: The part of the inputs to drop in training, the same in all steps.
        recurrent_dropout: The part of the states to drop in training, the same in all steps.
        reset_after: Whether the reset gate is applied after the product with the recurrent kernel.
        seed: An int for reproducible dropout.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If `units` is not positive.

    References:
        Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.

    Example:

    >>> cell = addax.layers.GRUCell(4)
    >>> output, states = cell(addax.ops.ones((2, 3)), [addax.ops.zeros((2, 4))])
    >>> output.shape, len(states)
    ((2, 4), 1)
    """

    op = "gru"
    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        reset_after: bool = True,
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
        self.reset_after = reset_after

    def _bias_shape(self) -> tuple:
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def call(self, inputs, states, training=False):
        """Returns the output of a step and the next state, which are the same."""
        h = states[0] if isinstance(states, (list, tuple)) else states
        units = self.units
        per_gate, before = self._drop(inputs, h, training)
        x = self._project(per_gate, self.kernel.value)
        bias = None if self.bias is None else self.bias.value
        if bias is not None:
            x = x + (bias[0] if self.reset_after else bias)
        recurrent = self.recurrent_kernel.value
        if self.reset_after:
            inner = self._project(before, recurrent)
            if bias is not None:
                inner = inner + bias[1]
        else:
            inner = self._project(before[:2], recurrent[:, : 2 * units])
        z = self.recurrent_activation(x[:, :units] + inner[:, :units])
        r = self.recurrent_activation(x[:, units : 2 * units] + inner[:, units : 2 * units])
        last = slice(2 * units, 3 * units)
        reset = r * inner[:, last] if self.reset_after else ops.matmul(r * before[2], recurrent[:, last])
        g = self.activation(x[:, last] + reset)
        output = z * h + (1 - z) * g
        return output, [output] if isinstance(states, (list, tuple)) else output

    def _own_config(self) -> dict:
        return {
            "recurrent_activation": activations.serialize(self.recurrent_activation),
            "use_bias": self.use_bias,
        }

    def get_config(self) -> dict:
        return {**super().get_config(), "reset_after": self.reset_after, "seed": self.seed}


class GRU(FusedRNN):
    """Gated recurrent unit: a recurrence whose gates decide how much of the state is renewed and from what.

    With the gates `z`, `r` and the candidate `g`, which stand in the columns of the kernels in this order:
    `h = z * h + (1 - z) * g`. The reset gate `r` scales the state before its product with the recurrent kernel, or,
    with `reset_after`, the product.

    With the default activations one op runs all steps; otherwise, or with recurrent dropout in training, the cell is
    called step by step.

    Args:
        units: Number of outputs.
        activation: Function of the candidate, or its name.
        recurrent_activation: Function of the gates, or its name.
        use_bias: Whether to add a bias.
        kernel_initializer: First value of `kernel`, shape `(features, 3 * units)`.
        recurrent_initializer: First value of `recurrent_kernel`, shape `(units, 3 * units)`.
        bias_initializer: First value of `bias`, shape `(2, 3 * units)` with `reset_after`, else `(3 * units,)`.
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
        return_state: Whether to return the last state behind the output.
        go_backwards: Whether to go from the last step to the first; outputs then are in that order.
        stateful: Whether a batch starts with the last states of the batch before. The batch size must be known.
        unroll: Steps are unrolled in any case; Keras's unrolled masks are followed: masked steps at the start give 0.
        reset_after: Whether the reset gate is applied after the product with the recurrent kernel.
        use_cudnn: `True`: an error where the fused kernel cannot be used. Other values make no difference.
        **kwargs: `zero_output_for_mask` (whether masked steps give 0, not the output before) and arguments of `Layer`.

    Inputs: `sequences` of shape `(batch, time, features)`, `initial_state` (a list of one tensor of shape
    `(batch, units)`), `mask` of shape `(batch, time)`, and `training`. The output has shape `(batch, units)`, with
    `return_sequences` `(batch, time, units)`.

    Raises:
        ValueError: If `units` is not positive.

    References:
        Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014.

    Example:

    >>> layer = addax.layers.GRU(4, return_sequences=True, return_state=True)
    >>> outputs, state = layer(addax.ops.ones((2, 7, 3)))
    >>> outputs.shape, state.shape
    ((2, 7, 4), (2, 4))
    """

    _cell_arguments = (
        "units",
        "activation",
        "recurrent_activation",
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
        "reset_after",
        "seed",
    )
    recurrent_activation = of_cell("recurrent_activation")
    reset_after = of_cell("reset_after")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        seed: int | None = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = True,
        use_cudnn: Any = "auto",
        **kwargs,
    ):
        cell = GRUCell(
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
            reset_after=reset_after,
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
            name="gru_cell",
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

    def _op_attributes(self) -> dict:
        return {"reset_after": self.cell.reset_after}
