"""Adam."""

from __future__ import annotations

from typing import Any

from addax import engine
from addax.optimizers.optimizer import Optimizer, update_variables
from addax.variables import Variable


class Adam(Optimizer):
    """Gradient descent along a running mean of gradients, divided by the root of one of their squares.

    Args:
        learning_rate: As for `Optimizer`.
        beta_1: Share of the old mean of gradients at each step.
        beta_2: Share of the old mean of squares at each step.
        epsilon: Added to the root ("epsilon hat" in the paper).
        amsgrad: Whether to divide by the largest mean of squares so far.
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

    References: Kingma and Ba, Adam: A Method for Stochastic Optimization (2014); for `amsgrad` Reddi et al., On the
    Convergence of Adam and Beyond (2018).

    Example:

    >>> w = addax.Variable(10.0)
    >>> optimizer = addax.optimizers.Adam(learning_rate=0.1)
    >>> optimizer.apply([w.value], [w])  # the gradient of w**2 / 2
    >>> round(float(w.value), 3)
    9.9
    """

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
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
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.amsgrad = amsgrad
        self._momentums: list[Variable] = []
        self._velocities: list[Variable] = []
        self._velocity_hats: list[Variable] = []

    def build(self, var_list: list[Variable]) -> None:
        """Makes the running means.

        Args:
            var_list: The variables to train.
        """
        if self.built:
            return
        super().build(var_list)
        self._momentums, self._velocities = self.add_optimizer_variables(var_list, ["momentum", "velocity"])
        if self.amsgrad:
            self._velocity_hats = self.add_optimizer_variables(var_list, "velocity_hat")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Changes one variable, its weight decay included.

        Args:
            gradient: A tensor of the variable's shape.
            variable: The variable.
            learning_rate: A 0-d float32 tensor.
        """
        i = self._index(variable)
        state = [variable, self._momentums[i], self._velocities[i]]
        if self.amsgrad:
            state.append(self._velocity_hats[i])
        decays = self.weight_decay is not None and id(variable) in self._decayed_ids
        update_variables(
            "adam_amsgrad_update" if self.amsgrad else "adam_update",
            state,
            [gradient, learning_rate, self._step],
            beta_1=self.beta_1,
            beta_2=self.beta_2,
            epsilon=self.epsilon,
            weight_decay=float(self.weight_decay) if decays else 0.0,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {
            **super().get_config(),
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
            "amsgrad": self.amsgrad,
        }

    def _decay_weights(self, variables: list[Variable], rate: engine.Tensor) -> None:
        """Nothing: the fused update does it."""
