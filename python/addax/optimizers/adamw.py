"""AdamW: Adam with weight decay by default."""

from __future__ import annotations

from addax.optimizers.adam import Adam


class AdamW(Adam):
    """Adam whose variables also shrink by `weight_decay * learning_rate` at each step, apart from the gradient.

    Args:
        learning_rate: As for `Optimizer`.
        weight_decay: Fraction by which each variable shrinks per step and unit of learning rate.
        beta_1: Share of the old mean of gradients at each step.
        beta_2: Share of the old mean of squares at each step.
        epsilon: Added to the root.
        amsgrad: Whether to divide by the largest mean of squares so far.
        clipnorm: See `Optimizer`, like the arguments that follow.
        clipvalue: See `Optimizer`.
        global_clipnorm: See `Optimizer`.
        use_ema: See `Optimizer`.
        ema_momentum: See `Optimizer`.
        ema_overwrite_frequency: See `Optimizer`.
        loss_scale_factor: See `Optimizer`.
        gradient_accumulation_steps: See `Optimizer`.
        name: A name.

    Raises:
        ValueError: If an argument is out of range or unknown, or `weight_decay` is `None`.

    Reference: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019).

    Example:

    >>> w = addax.Variable(10.0)
    >>> optimizer = addax.optimizers.AdamW(learning_rate=0.1, weight_decay=0.5)
    >>> optimizer.apply([w.value], [w])  # the gradient of w**2 / 2
    >>> round(float(w.value), 3)
    9.4
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.004,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        amsgrad=False,
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
        if weight_decay is None:
            raise ValueError("Argument `weight_decay` must be a float. Received: weight_decay=None")
        super().__init__(
            learning_rate=learning_rate,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            amsgrad=amsgrad,
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
