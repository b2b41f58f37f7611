"""Bidirectional: a recurrent layer and its mirror image over the same sequences."""

from __future__ import annotations

from typing import Any

from addax import ops, saving
from addax.layers.layer import Layer

_MERGE_MODES = ("sum", "mul", "ave", "concat", None)


class Bidirectional(Layer):
    """Runs a recurrent layer forwards and another one backwards over the same sequences.

    Args:
        layer: A recurrent layer, such as `LSTM`, or another layer with `go_backwards`, `return_sequences`,
            `return_state` and `stateful`. It is a pattern: the layers inside are made from its config.
        merge_mode: How the two outputs become one: `"sum"`, `"mul"`, `"ave"`, `"concat"`; `None`: both are returned.
        weights: Values of the weights, a list of arrays.
        backward_layer: The layer that runs backwards, if it is not to be like `layer`.
        **kwargs: Arguments of `Layer`.

    Inputs: `sequences`, `initial_state` (a list: the states of the forward layer, then of the backward layer), `mask`
    and `training`.

    Raises:
        ValueError: If the layers do not fit each other or `merge_mode` is unknown.

    References:
        Schuster and Paliwal, Bidirectional Recurrent Neural Networks, IEEE Transactions on Signal Processing 45 (1997).

    Example:

    >>> layer = addax.layers.Bidirectional(addax.layers.LSTM(4, return_sequences=True))
    >>> layer(addax.ops.ones((2, 7, 3))).shape
    (2, 7, 8)
    """

    def __init__(
        self,
        layer: Layer,
        merge_mode: str | None = "concat",
        weights: list | None = None,
        backward_layer: Layer | None = None,
        **kwargs,
    ):
        if not isinstance(layer, Layer):
            raise ValueError(
                f"Please initialize `Bidirectional` layer with a `keras.layers.Layer` instance. Received: {layer}"
            )
        if backward_layer is not None and not isinstance(backward_layer, Layer):
            raise ValueError(
                "`backward_layer` need to be a `keras.layers.Layer` instance. "
                f"Received: backward_layer={backward_layer}"
            )
        if merge_mode not in _MERGE_MODES:
            raise ValueError(
                f"Invalid merge mode. Received: {merge_mode}. Merge mode should be one of "
                '{"sum", "mul", "ave", "concat", None}'
            )
        if not hasattr(layer, "go_backwards"):
            raise TypeError(f"Bidirectional: expected a recurrent layer, with `go_backwards`. Received: {layer}")
        super().__init__(**kwargs)
        config = layer.get_config()
        base = config["name"].removeprefix("forward_")
        self.forward_layer = type(layer).from_config({**config, "name": f"forward_{base}"})
        if backward_layer is None:
            mirrored = {"name": f"backward_{base}", "go_backwards": not config["go_backwards"]}
            backward_layer = type(layer).from_config({**config, **mirrored})
        self.backward_layer = backward_layer
        self._verify()
        if hasattr(layer, "zero_output_for_mask"):  # outputs of masked steps must not leak from one side to the other
            for one in (self.forward_layer, self.backward_layer):
                one.zero_output_for_mask = layer.return_sequences
        self.merge_mode = merge_mode
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.input_spec = layer.input_spec
        self._supports_masking = True
        self._initial_weights = weights

    def _verify(self) -> None:
        forward, backward = self.forward_layer, self.backward_layer
        if forward.go_backwards == backward.go_backwards:
            raise ValueError(
                "Forward layer and backward layer should have different `go_backwards` value. Received: "
                f"forward_layer.go_backwards {forward.go_backwards}, "
                f"backward_layer.go_backwards={backward.go_backwards}"
            )
        for name in ("stateful", "return_sequences", "return_state"):
            one, other = getattr(forward, name), getattr(backward, name)
            if one != other:
                raise ValueError(
                    "Forward layer and backward layer are expected to have the same value for attribute "
                    f'"{name}", got "{one}" for forward layer and "{other}" for backward layer'
                )

    @property
    def states(self) -> tuple | None:
        """The variables that stateful layers keep their states in, of the forward layer first."""
        if self.forward_layer.states is None:
            return None
        return (*self.forward_layer.states, *self.backward_layer.states)

    def build(self, sequences_shape: tuple, initial_state_shape: Any = None) -> None:
        """Builds both layers."""
        for layer in (self.forward_layer, self.backward_layer):
            if not layer.built:
                layer.build(sequences_shape)
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)

    def reset_state(self) -> None:
        """Sets the states of stateful layers to zero."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    def call(self, sequences, initial_state=None, mask=None, training=None):
        """Runs both layers and merges their outputs."""
        ahead, behind = {}, {}
        if initial_state is not None:
            half = len(initial_state) // 2
            ahead["initial_state"], behind["initial_state"] = list(initial_state[:half]), list(initial_state[half:])
        y = self.forward_layer(sequences, mask=mask, training=training, **ahead)
        mirrored = self.backward_layer(sequences, mask=mask, training=training, **behind)
        states = ()
        if self.return_state:
            states = (*y[1:], *mirrored[1:])
            y, mirrored = y[0], mirrored[0]
        if self.return_sequences:
            mirrored = ops.flip(mirrored, axis=1)
        if self.merge_mode == "concat":
            outputs = (ops.concatenate([y, mirrored], axis=-1),)
        elif self.merge_mode == "sum":
            outputs = (y + mirrored,)
        elif self.merge_mode == "ave":
            outputs = ((y + mirrored) / 2,)
        elif self.merge_mode == "mul":
            outputs = (y * mirrored,)
        else:
            outputs = (y, mirrored)
        outputs = (*outputs, *states)
        return outputs[0] if len(outputs) == 1 else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any) -> Any:
        """Returns the mask of the inputs for the outputs of all steps, none for last outputs and states."""
        output = previous_mask if self.return_sequences else None
        masks = [output] * (1 if self.merge_mode else 2)
        if self.return_state:
            masks += [None] * (len(self.forward_layer.state_size) + len(self.backward_layer.state_size))
        return masks[0] if len(masks) == 1 else tuple(masks)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": saving.serialize_keras_object(self.forward_layer),
            "backward_layer": saving.serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> Bidirectional:
        """Makes a layer of what `get_config` returned.

        Args:
            config: The config.
            custom_objects: Further classes by name.
        """
        config = dict(config)
        layer = saving.deserialize_keras_object(config.pop("layer"), custom_objects=custom_objects)
        backward = config.pop("backward_layer", None)
        if backward is not None:
            backward = saving.deserialize_keras_object(backward, custom_objects=custom_objects)
        return cls(layer, backward_layer=backward, **config)
