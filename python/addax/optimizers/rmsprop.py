"""RMSprop."""

from __future__ import annotations

from typing import Any

from addax import ops
from addax.optimizers.optimizer import Optimizer, update_variables
from addax.variables import Variable


class RMSprop(Optimizer):
    """Gradient descent with each step divided by the root of a running mean of squared gradients.

    Args:
        learning_rate: As for `Optimizer`.
        rho: Share of the old mean at each step.
        momentum: Share of the last step that is kept.
        epsilon: Added to the mean of squares before the root.
        centered: Whether to subtract the square of a running mean of gradients, so that their variance divides.
        weight_decay: As for `Optimizer`, like the arguments that follow.
        clipnorm: See `Optimizer`.
        clipvalue: See `Optimizer`.
        global_clipnorm: See `Optimizer`.
        use_ema: See `Optimizer`.
        ema_momentum: See `Optimizer`.
        ema_overwrite_frequency: See `Optimizer`.
        loss_scale_factor: See `Optimizer`.
        gradient_accumulation_steps: See `Optimizer`.
        name: A name.

    Raises:
        ValueError: If an argument is out of range or unknown.

    Reference: Hinton, Neural Networks for Machine Learning, lecture 6e (2012).

    Example:

    >>> w = addax.Variable(10.0)
    >>> optimizer = addax.optimizers.RMSprop(learning_rate=0.1)
    >>> optimizer.apply([w.value], [w])  # the gradient of w**2 / 2
    >>> round(float(w.value), 3)
    9.684
    """

    def __init__(
        self,
        learning_rate=0.001,
        rho=0.9,
        momentum=0.0,
        epsilon=1e-7,
        centered=False,
        weight_decay=None,
        clipnorm=None,
        clipvalue=None,
        global_clipnorm=None,
        use_ema=False,
        ema_momentum=0.99,
        ema_overwrite_frequency=None,
        loss_scale_factor=None,
        gradient_accumulation_steps=None,
        name=None,
        **kwargs,
    ):
        super().__init__(
            learning_rate=learning_rate,
            name=name,
            weight_decay=weight_decay,
            clipnorm=clipnorm,
            clipvalue=clipvalue,
            global_clipnorm=global_clipnorm,
            use_ema=use_ema,
            ema_momentum=ema_momentum,
            ema_overwrite_frequency=ema_overwrite_frequency,
            loss_scale_factor=loss_scale_factor,
            gradient_accumulation_steps=gradient_accumulation_steps,
            **kwargs,
        )
        self.rho = rho
        self.momentum = momentum
        self.epsilon = epsilon
        self.centered = centered
        self._velocities: list[Variable] = []
        self._momentums: list[Variable] = []
        self._average_gradients: list[Variable] = []

    def build(self, var_list: list[Variable]) -> None:
        """Makes the running means.

        Args:
            var_list: The variables to train.
        """
        if self.built:
            return
        super().build(var_list)
        self._velocities = self.add_optimizer_variables(var_list, "velocity")
        if self.momentum > 0:
            self._momentums = self.add_optimizer_variables(var_list, "momentum")
        if self.centered:
            self._average_gradients = self.add_optimizer_variables(var_list, "average_gradient")

    def update_step(self, grad: Any, variable: Variable, learning_rate: Any) -> None:
        """Changes one variable.

        Args:
            grad: A tensor of the variable's shape.
            variable: The variable.
            learning_rate: A 0-d float32 tensor.
        """
        i = self._index(variable)
        velocity = self._velocities[i]
        if not self._momentums and not self._average_gradients:
            update_variables(
                "rmsprop_update", [variable, velocity], [grad, learning_rate], rho=self.rho, epsilon=self.epsilon
            )
            return
        # The op takes the full state; what this optimizer does not keep is a scratch variable that stays zero.
        momentum = self._momentums[i] if self._momentums else self._zeros_like(variable)
        average = self._average_gradients[i] if self._average_gradients else self._zeros_like(variable)
        update_variables(
            "rmsprop_full_update",
            [variable, velocity, momentum, average],
            [grad, learning_rate],
            rho=self.rho,
            momentum=float(self.momentum),
            epsilon=self.epsilon,
            centered=self.centered,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "rho": self.rho,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "centered": self.centered,
        }

    @staticmethod
    def _zeros_like(variable: Variable) -> Variable:
        return Variable(ops.zeros(variable.shape, variable.dtype), trainable=False, name="unused")
