"""PReLU."""

from __future__ import annotations

from typing import Any

from addax import constraints, initializers, ops, regularizers
from addax.layers.input_spec import InputSpec
from addax.layers.layer import Layer


class PReLU(Layer):
    """`x` where that is positive and `alpha * x` elsewhere, with a learned `alpha` for each feature.

    Args:
        alpha_initializer: First value of `alpha`, whose shape is that of an input without the batch axis.
        alpha_regularizer: Penalty on `alpha`.
        alpha_constraint: Projection of `alpha` after every update.
        shared_axes: Axes along which all features have one `alpha`: `[1, 2]` for one per channel of images.
        **kwargs: Arguments of `Layer`.

    References:
        He et al., Delving Deep into Rectifiers, https://arxiv.org/abs/1502.01852

    Example:

    >>> layer = addax.layers.PReLU(alpha_initializer=addax.initializers.Constant(0.5))
    >>> layer(addax.ops.convert_to_tensor([[-2.0, 3.0]])).tolist()
    [[-1.0, 3.0]]
    """

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: Any = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes = [shared_axes] if isinstance(shared_axes, int) else shared_axes and list(shared_axes)
        self._supports_masking = True

    def build(self, input_shape: tuple) -> None:
        """Creates `alpha`."""
        shared = self.shared_axes or []
        self.alpha = self.add_weight(
            shape=tuple(1 if i in shared else dim for i, dim in enumerate(input_shape) if i),
            name="alpha",
            initializer=self.alpha_initializer,
            regularizer=self.alpha_regularizer,
            constraint=self.alpha_constraint,
        )
        axes = {i: dim for i, dim in enumerate(input_shape) if i and i not in shared}
        self.input_spec = InputSpec(ndim=len(input_shape), axes=axes)

    def call(self, inputs):
        """Returns the function's value."""
        return ops.relu(inputs) - self.alpha.value * ops.relu(-inputs)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }
