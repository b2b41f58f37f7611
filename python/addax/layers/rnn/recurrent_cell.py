"""RecurrentCell: what the cells of SimpleRNN, LSTM and GRU share: arguments, weights, state and dropout masks."""

from __future__ import annotations

from typing import Any

from addax import activations, constraints, initializers, ops, random, regularizers
from addax.layers.layer import Layer


class RecurrentCell(Layer):
    """One step of a recurrence whose weights are a kernel, a recurrent kernel and a bias, `gates` side by side."""

    gates = 1
    states = 1

    def __init__(
        self,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        seed: int | None,
        **kwargs,
    ):
        if units <= 0:
            raise ValueError(
                f"Received an invalid value for argument `units`, expected a positive integer, got {units}."
            )
        implementation = kwargs.pop("implementation", 2)
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        if self.recurrent_dropout > 0:
            implementation = 1
        self.implementation = implementation
        self.seed = seed
        self.seed_generator = random.SeedGenerator(seed)
        self.state_size = units if self.states == 1 else [units] * self.states
        self.output_size = units
        self._dropout_masks: list | None = None
        self._recurrent_dropout_masks: list | None = None

    def build(self, input_shape: tuple) -> None:
        """Creates `kernel`, `recurrent_kernel` and `bias`."""
        columns = self.gates * self.units
        self.kernel = self.add_weight(
            shape=(input_shape[-1], columns),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, columns),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
            name="recurrent_kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=self._bias_shape(),
                initializer=self._bias_initializer(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def _bias_shape(self) -> tuple:
        return (self.gates * self.units,)

    def _bias_initializer(self) -> Any:
        return self.bias_initializer

    def get_initial_state(self, batch_size: int | None = None) -> list:
        """Returns zeros for the states before the first step.

        Args:
            batch_size: The number of sequences.
        """
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype) for _ in range(self.states)]

    # -- dropout: the masks are drawn once for all steps of a sequence

    def get_dropout_mask(self, step_input: Any) -> Any:
        """Returns what inputs are multiplied with until `reset_dropout_mask`: one mask, or one per gate in a list.

        Args:
            step_input: The inputs of a step.
        """
        if self._dropout_masks is None and self.dropout > 0:
            self._dropout_masks = self._draw(step_input, self.dropout)
        return _one_or_all(self._dropout_masks)

    def get_recurrent_dropout_mask(self, step_input: Any) -> Any:
        """Returns what states are multiplied with until `reset_recurrent_dropout_mask`.

        Args:
            step_input: The first state.
        """
        if self._recurrent_dropout_masks is None and self.recurrent_dropout > 0:
            self._recurrent_dropout_masks = self._draw(step_input, self.recurrent_dropout)
        return _one_or_all(self._recurrent_dropout_masks)

    def reset_dropout_mask(self) -> None:
        """Forgets the masks of the inputs: the next step draws others."""
        self.__dict__["_dropout_masks"] = None

    def reset_recurrent_dropout_mask(self) -> None:
        """Forgets the masks of the states."""
        self.__dict__["_recurrent_dropout_masks"] = None

    def _draw(self, like: Any, rate: float) -> list:
        ones = ops.ones_like(like)
        count = self.gates if self.implementation == 1 else 1
        return [random.dropout(ones, rate, seed=self.seed_generator) for _ in range(count)]

    def _drop(self, inputs: Any, state: Any, training: bool) -> tuple[list, list]:
        """Inputs and state as each gate sees them."""
        inputs_masks = self.get_dropout_mask(inputs) if training else None
        state_masks = self.get_recurrent_dropout_mask(state) if training else None
        return self._dropped(inputs, inputs_masks), self._dropped(state, state_masks)

    def _dropped(self, x: Any, masks: Any) -> list:
        if masks is None:
            return [x] * self.gates
        masks = masks if isinstance(masks, list) else [masks]
        dropped = [x * mask for mask in masks]
        return dropped * self.gates if len(dropped) == 1 else dropped

    def _project(self, per_gate: list, kernel: Any) -> Any:
        """The products of what the gates see with their columns of the kernel, side by side."""
        if all(x is per_gate[0] for x in per_gate):
            return ops.matmul(per_gate[0], kernel)
        columns = ops.split(kernel, len(per_gate), axis=1)
        return ops.concatenate([ops.matmul(x, c) for x, c in zip(per_gate, columns, strict=True)], axis=-1)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": activations.serialize(self.activation),
            **self._own_config(),
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "recurrent_initializer": initializers.serialize(self.recurrent_initializer),
            "bias_initializer": initializers.serialize(self.bias_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "recurrent_regularizer": regularizers.serialize(self.recurrent_regularizer),
            "bias_regularizer": regularizers.serialize(self.bias_regularizer),
            "kernel_constraint": constraints.serialize(self.kernel_constraint),
            "recurrent_constraint": constraints.serialize(self.recurrent_constraint),
            "bias_constraint": constraints.serialize(self.bias_constraint),
            "dropout": self.dropout,
            "recurrent_dropout": self.recurrent_dropout,
        }

    def _own_config(self) -> dict:
        """What stands between the activation and the initializers."""
        return {"use_bias": self.use_bias}


def _one_or_all(masks: list | None) -> Any:
    return masks[0] if masks is not None and len(masks) == 1 else masks
