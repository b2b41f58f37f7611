"""FusedRNN: what SimpleRNN, LSTM and GRU share: the cell's arguments, and one op for a whole sequence where it fits."""

from __future__ import annotations

from typing import Any

from addax import activations, engine, ops, regularizers
from addax.layers.input_spec import InputSpec
from addax.layers.rnn.recurrent_cell import RecurrentCell
from addax.layers.rnn.rnn import RNN


def of_cell(name: str) -> property:
    """An argument of the cell as an attribute of the layer."""
    return property(lambda self: getattr(self.cell, name), doc=f"`{name}` of the cell.")


class FusedRNN(RNN):
    """An RNN over a cell of its own, which one op runs over all steps unless the arguments ask for something else."""

    _cell_arguments: tuple[str, ...] = ()

    units = of_cell("units")
    activation = of_cell("activation")
    use_bias = of_cell("use_bias")
    kernel_initializer = of_cell("kernel_initializer")
    recurrent_initializer = of_cell("recurrent_initializer")
    bias_initializer = of_cell("bias_initializer")
    kernel_regularizer = of_cell("kernel_regularizer")
    recurrent_regularizer = of_cell("recurrent_regularizer")
    bias_regularizer = of_cell("bias_regularizer")
    kernel_constraint = of_cell("kernel_constraint")
    recurrent_constraint = of_cell("recurrent_constraint")
    bias_constraint = of_cell("bias_constraint")
    dropout = of_cell("dropout")
    recurrent_dropout = of_cell("recurrent_dropout")

    def __init__(self, cell: RecurrentCell, *, use_cudnn: Any = "auto", **kwargs):
        super().__init__(cell, **kwargs)
        self.use_cudnn = use_cudnn
        self.input_spec = InputSpec(ndim=3)

    def inner_loop(self, sequences, initial_state, mask, training=False):
        """Returns the last output, all of them, and the last states.

        Args:
            sequences: Tensor of shape `(batch, time, features)`.
            initial_state: List of states.
            mask: Bool tensor of shape `(batch, time)` or `None`.
            training: Whether the call is part of training.
        """
        if self._is_fusable(mask, training):
            return self._run_fused(sequences, initial_state, mask, training)
        if self.use_cudnn is True:
            raise ValueError(
                "use_cudnn=True was specified, but the fused kernel is not supported for this layer configuration "
                "(it needs the default activations, no recurrent dropout and no unrolled masks). "
                "Pass use_cudnn='auto' to fall back to the loop over the steps."
            )
        return super().inner_loop(sequences, initial_state, mask, training=training)

    def _is_fusable(self, mask: Any, training: bool) -> bool:
        cell = self.cell
        if cell.activation is not activations.tanh:
            return False
        if training and (cell.recurrent_dropout > 0 or (cell.dropout > 0 and cell.implementation == 1)):
            return False
        return mask is None or not self.unroll

    def _run_fused(self, sequences, initial_state, mask, training):
        cell = self.cell
        if training and cell.dropout > 0:
            sequences = sequences * ops.expand_dims(cell.get_dropout_mask(sequences[:, 0]), 1)
        dtype = sequences.dtype
        bias = ops.zeros(cell._bias_shape(), dtype=dtype) if cell.bias is None else cell.bias.value
        inputs = (*initial_state, cell.kernel.value, cell.recurrent_kernel.value, bias)
        y, *rest = engine.apply(
            cell.op,
            sequences,
            *[ops.cast(x, dtype) for x in inputs],
            *([] if mask is None else [mask]),
            go_backwards=self.go_backwards,
            **self._op_attributes(),
        )
        states = rest[: cell.states]
        last = states[0]
        if mask is not None and self.zero_output_for_mask:
            is_on = ops.expand_dims(ops.flip(mask, axis=1) if self.go_backwards else mask, -1)
            y = ops.where(is_on, y, ops.zeros_like(y)) if self.return_sequences else y
            last = ops.where(is_on[:, -1], last, ops.zeros_like(last))
        return last, y, states

    def _op_attributes(self) -> dict:
        return {}

    def get_config(self) -> dict:
        of_cell = self.cell.get_config()
        config = {name: of_cell[name] for name in self._cell_arguments if name != "activity_regularizer"}
        config["activity_regularizer"] = regularizers.serialize(self.activity_regularizer)
        base = self._loop_config()
        base.pop("activity_regularizer", None)
        return {**base, **{name: config[name] for name in self._cell_arguments}}

    @classmethod
    def from_config(cls, config: dict) -> FusedRNN:
        """Makes a layer of what `get_config` returned."""
        return cls(**config)
