"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from addax.optimizers.optimizer import Optimizer, update_variables
from addax.variables import Variable


class SGD(Optimizer):
    """Gradient descent, optionally with momentum.

    Without momentum `w -= learning_rate * g`. With it `v = momentum * v - learning_rate * g` and `w += v`, or, with
    `nesterov`, `w += momentum * v - learning_rate * g`.

    Args:
        learning_rate: As for `Optimizer`.
        momentum: Share of the last step that is kept, from 0 to 1.
        nesterov: Whether to look ahead along the momentum.
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

    Reference: Sutskever et al., On the importance of initialization and momentum in deep learning (2013).

    Example:

    >>> w = addax.Variable(1.0)
    >>> optimizer = addax.optimizers.SGD(learning_rate=0.5, momentum=0.5)
    >>> for _ in range(2):
    ...     optimizer.apply([w.value], [w])  # the gradient of w**2 / 2
    >>> float(w.value)
    0.0
    """

    def __init__(
        self,
        learning_rate=0.01,
        momentum=0.0,
        nesterov=False,
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
        if not isinstance(momentum, (int, float)) or not 0 <= momentum <= 1:
            raise ValueError(f"`momentum` must be a float between [0, 1]. Received: momentum={momentum}")
        self.momentum = momentum
        self.nesterov = nesterov
        self.momentums: list[Variable] = []

    def build(self, variables: list[Variable]) -> None:
        """Makes the momentums.

        Args:
            variables: The variables to train.
        """
        if self.built:
            return
        super().build(variables)
        if self.momentum:
            self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Changes one variable.

        Args:
            gradient: A tensor of the variable's shape.
            variable: The variable.
            learning_rate: A 0-d float32 tensor.
        """
        if not self.momentum:
            update_variables("sgd_update", [variable], [gradient, learning_rate])
            return
        update_variables(
            "sgd_momentum_update",
            [variable, self.momentums[self._index(variable)]],
            [gradient, learning_rate],
            momentum=float(self.momentum),
            nesterov=self.nesterov,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {**super().get_config(), "momentum": self.momentum, "nesterov": self.nesterov}
