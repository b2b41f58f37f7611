"""TimeDistributed: the same layer at every time step."""

from __future__ import annotations

from addax import ops
from addax.layers.core.wrapper import Wrapper
from addax.layers.layer import Layer
from addax.layers.rnn.recurrence import steps_of
from addax.ops import symbolic


class TimeDistributed(Wrapper):
    """Calls a layer on each time step of its inputs.

    Args:
        layer: The layer.
        **kwargs: Arguments of `Layer`.

    Inputs of shape `(batch, time, ...)` give outputs of shape `(batch, time, ...)`. A mask of shape `(batch, time)` is
    passed to the layer step by step.

    Raises:
        ValueError: If `layer` is no layer, or inputs have less than three dims.

    Example:

    >>> layer = addax.layers.TimeDistributed(addax.layers.Dense(4))
    >>> layer(addax.ops.ones((2, 7, 3))).shape
    (2, 7, 4)
    """

    def __init__(self, layer: Layer, **kwargs):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `TimeDistributed` layer with a `keras.layers.Layer` instance. Received: {layer}"
            )
        super().__init__(layer, **kwargs)
        self._supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Builds the layer for one step."""
        if len(input_shape) < 3:
            raise ValueError(
                "`TimeDistributed` Layer should be passed an `input_shape` with at least 3 dimensions, "
                f"received: {tuple(input_shape)}"
            )
        super().build((input_shape[0], *input_shape[2:]))

    def call(self, inputs, training=None, mask=None):
        """Returns the layer's outputs for all steps."""
        signature = self.layer._signature()
        kwargs = {"training": training} if signature.takes_training else {}
        if mask is not None:
            mask = ops.cast(mask, "bool")
            if mask.shape != inputs.shape[:2]:
                raise ValueError(
                    f"`TimeDistributed` Layer should be passed a `mask` of shape {inputs.shape[:2]}, received: "
                    f"{mask.shape}"
                )
        takes_mask = mask is not None and signature.takes_mask
        batch, time = inputs.shape[:2]
        if self._steps_are_examples(training):
            if takes_mask:
                kwargs["mask"] = ops.reshape(mask, (batch * time,))
            y = self.layer(ops.reshape(inputs, (batch * time, *inputs.shape[2:])), **kwargs)
            return ops.reshape(y, (batch, time, *y.shape[1:]))
        steps = [inputs[:, 0]] if symbolic.is_active() else steps_of(inputs)
        outputs = []
        for t, step in enumerate(steps):
            if takes_mask:
                kwargs["mask"] = mask[:, t]
            outputs.append(self.layer(step, **kwargs))
        if symbolic.is_active():
            first = ops.expand_dims(outputs[0], 1)
            return ops.broadcast_to(first, (first.shape[0], time, *first.shape[2:]))
        return ops.stack(outputs, axis=1)

    def _steps_are_examples(self, training: bool | None) -> bool:
        """Whether one call on all steps as one batch is the same as a call on each: no state that calls move on, no
        losses, and layers that treat each example by itself, as those of addax do where no function is given."""
        for layer in self.layer._tree():
            known = type(layer).__module__.startswith("addax.") and type(layer).__name__ != "Lambda"
            if not known or layer.activity_regularizer is not None or getattr(layer, "stateful", False):
                return False
            if not all(isinstance(operation, Layer) for operation in getattr(layer, "operations", ())):
                return False
        return not training or all(v.trainable for v in self.layer.variables)
