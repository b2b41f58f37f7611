"""Learning rates that change with the step. Written with ops, so that a compiled step may compute them."""

from __future__ import annotations

import math
from typing import Any

from addax import engine, ops
from addax.utils import identifiers


class LearningRateSchedule:
    """A learning rate computed of the step. Subclasses write `__call__` and `get_config`.

    Example:

    >>> class Halving(addax.optimizers.schedules.LearningRateSchedule):
    ...     def __call__(self, step):
    ...         return 0.5 ** addax.ops.cast(step, "float32")
    >>> float(addax.optimizers.SGD(Halving()).learning_rate)
    1.0
    """

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate.

        Args:
            step: How many steps are done, an integer or 0-d tensor.
        """
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, from which `from_config` makes an equal schedule."""
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `get_config()` in order to be serializable."
        )

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> LearningRateSchedule:
        """Makes a schedule of what `get_config` returned.

        Args:
            config: Arguments of the constructor.
        """
        return cls(**config)


class _Schedule(LearningRateSchedule):
    """A schedule whose constructor keeps its arguments as attributes of the same names, listed in `_arguments`."""

    _arguments: tuple[str, ...] = ()

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {name: getattr(self, name) for name in self._arguments}


class ExponentialDecay(_Schedule):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Steps after which `decay_rate` has been applied once.
        decay_rate: The factor.
        staircase: Whether to apply it in whole at every `decay_steps` steps.
        name: A name.

    Raises:
        ValueError: If `decay_steps` is not positive.

    Example:

    >>> schedule = addax.optimizers.schedules.ExponentialDecay(0.5, decay_steps=10, decay_rate=0.5)
    >>> float(schedule(20))
    0.125
    """

    _arguments = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="ExponentialDecay"):
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> engine.Tensor:
        """Returns the learning rate.

        Args:
            step: How many steps are done.
        """
        periods = _float(step) / self.decay_steps
        if self.staircase:
            periods = ops.floor(periods)
        return self.initial_learning_rate * ops.power(float(self.decay_rate), periods)


class PiecewiseConstantDecay(_Schedule):
    """A rate that is constant between boundaries.

    Args:
        boundaries: Rising steps at which, from the next one on, the rate changes.
        values: The rates, one more than boundaries.
        name: A name.

    Raises:
        ValueError: If the numbers do not fit.

    Example:

    >>> schedule = addax.optimizers.schedules.PiecewiseConstantDecay([10], [0.5, 0.25])
    >>> float(schedule(10)), float(schedule(11))
    (0.5, 0.25)
    """

    _arguments = ("boundaries", "values", "name")

    def __init__(self, boundaries, values, name="PiecewiseConstant"):
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. "
                f"Received: boundaries={boundaries} of length {len(boundaries)}, "
                f"and values={values} of length {len(values)}."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: Any) -> engine.Tensor:
        """Returns the learning rate.

        Args:
            step: How many steps are done.
        """
        step = _float(step)
        rate = ops.convert_to_tensor(float(self.values[0]), dtype="float32")
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = ops.where(step > float(boundary), float(value), rate)
        return rate


class PolynomialDecay(_Schedule):
    """A rate that falls to `end_learning_rate` as `(1 - step / decay_steps) ** power`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Steps after which it has fallen.
        end_learning_rate: The rate from then on.
        power: 1 for a straight line.
        cycle: Whether to start again, each time with one more `decay_steps`, instead of staying.
        name: A name.

    Raises:
        ValueError: If `decay_steps` is not positive.

    Example:

    >>> schedule = addax.optimizers.schedules.PolynomialDecay(1.0, decay_steps=10, end_learning_rate=0.0)
    >>> float(schedule(5))
    0.5
    """

    _arguments = ("initial_learning_rate", "decay_steps", "end_learning_rate", "power", "cycle", "name")

    def __init__(
        self,
        initial_learning_rate,
        decay_steps,
        end_learning_rate=0.0001,
        power=1.0,
        cycle=False,
        name="PolynomialDecay",
    ):
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> engine.Tensor:
        """Returns the learning rate.

        Args:
            step: How many steps are done.
        """
        step = _float(step)
        span = float(self.decay_steps)
        periods = ops.maximum(ops.ceil(step / span), 1.0) if self.cycle else 1.0
        done = ops.minimum(step / (span * periods), 1.0)
        fall = self.initial_learning_rate - self.end_learning_rate
        return fall * ops.power(1.0 - done, float(self.power)) + self.end_learning_rate


class InverseTimeDecay(_Schedule):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Steps in which `decay_rate` is added to the divisor.
        decay_rate: What is added.
        staircase: Whether to add it in whole at every `decay_steps` steps.
        name: A name.

    Raises:
        ValueError: If `decay_steps` is not positive.

    Example:

    >>> schedule = addax.optimizers.schedules.InverseTimeDecay(1.0, decay_steps=10, decay_rate=0.5)
    >>> float(schedule(20))
    0.5
    """

    _arguments = ("initial_learning_rate", "decay_steps", "decay_rate", "staircase", "name")

    def __init__(self, initial_learning_rate, decay_steps, decay_rate, staircase=False, name="InverseTimeDecay"):
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> engine.Tensor:
        """Returns the learning rate.

        Args:
            step: How many steps are done.
        """
        periods = _float(step) / self.decay_steps
        if self.staircase:
            periods = ops.floor(periods)
        return self.initial_learning_rate / (1.0 + self.decay_rate * periods)


class CosineDecay(_Schedule):
    """A rate that falls along half a cosine wave, optionally after a linear rise.

    Args:
        initial_learning_rate: The rate at step 0.
        decay_steps: Steps of the fall.
        alpha: The last rate as a fraction of the highest.
        name: A name.
        warmup_target: The rate to rise to before falling, or `None` for no rise.
        warmup_steps: Steps of the rise.

    Raises:
        ValueError: If `decay_steps` is not positive.

    Reference: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017).

    Example:

    >>> schedule = addax.optimizers.schedules.CosineDecay(1.0, decay_steps=10)
    >>> round(float(schedule(5)), 4)
    0.5
    """

    _arguments = ("initial_learning_rate", "decay_steps", "alpha", "name", "warmup_target", "warmup_steps")

    def __init__(
        self, initial_learning_rate, decay_steps, alpha=0.0, name="CosineDecay", warmup_target=None, warmup_steps=0
    ):
        _check_positive("decay_steps", decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> engine.Tensor:
        """Returns the learning rate.

        Args:
            step: How many steps are done.
        """
        step = _float(step)
        if self.warmup_target is None:
            return self._fall(step, self.initial_learning_rate)
        rise = (self.warmup_target - self.initial_learning_rate) * (step / self.warmup_steps)
        return ops.where(
            step < float(self.warmup_steps),
            rise + self.initial_learning_rate,
            self._fall(step - self.warmup_steps, self.warmup_target),
        )

    def _fall(self, step: engine.Tensor, start: float) -> engine.Tensor:
        done = ops.clip(step / self.decay_steps, 0.0, 1.0)
        cosine = 0.5 * (1.0 + ops.cos(math.pi * done))
        return start * ((1.0 - self.alpha) * cosine + self.alpha)


class CosineDecayRestarts(_Schedule):
    """A rate that falls along half a cosine wave again and again.

    Args:
        initial_learning_rate: The rate at step 0.
        first_decay_steps: Steps of the first fall.
        t_mul: How many times longer each fall is than the last.
        m_mul: How many times higher each fall starts than the last.
        alpha: The lowest rate as a fraction of the first.
        name: A name.

    Raises:
        ValueError: If `first_decay_steps` is not positive.

    Reference: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017).

    Example:

    >>> schedule = addax.optimizers.schedules.CosineDecayRestarts(1.0, first_decay_steps=10)
    >>> round(float(schedule(5)), 4), float(schedule(10))
    (0.5, 1.0)
    """

    _arguments = ("initial_learning_rate", "first_decay_steps", "t_mul", "m_mul", "alpha", "name")

    def __init__(self, initial_learning_rate, first_decay_steps, t_mul=2.0, m_mul=1.0, alpha=0.0, name="SGDRDecay"):
        _check_positive("first_decay_steps", first_decay_steps)
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: Any) -> engine.Tensor:
        """Returns the learning rate.

        Args:
            step: How many steps are done.
        """
        done = _float(step) / self.first_decay_steps
        if self.t_mul == 1.0:
            restarts = ops.floor(done)
            done = done - restarts
        else:
            # The falls' lengths are a geometric series; its sum solved for the number of terms.
            restarts = ops.floor(ops.log(1.0 - done * (1.0 - self.t_mul)) / math.log(self.t_mul))
            length = ops.power(float(self.t_mul), restarts)
            done = (done - (1.0 - length) / (1.0 - self.t_mul)) / length
        height = ops.power(float(self.m_mul), restarts)
        cosine = 0.5 * height * (1.0 + ops.cos(math.pi * done))
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)


_OBJECTS = {
    cls.__name__: cls
    for cls in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        LearningRateSchedule,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """Returns the config of a schedule, from which `deserialize` makes an equal one.

    Args:
        learning_rate_schedule: A schedule.

    Example:

    >>> schedule = addax.optimizers.schedules.CosineDecay(0.5, 10)
    >>> addax.optimizers.schedules.serialize(schedule)["config"]["decay_steps"]
    10
    """
    from addax import saving

    return saving.serialize_keras_object(learning_rate_schedule)


def deserialize(config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> LearningRateSchedule:
    """Returns the schedule that a config describes.

    Args:
        config: What `serialize` returned.
        custom_objects: Further classes by name.

    Raises:
        ValueError: If there is no such class.

    Example:

    >>> config = addax.optimizers.schedules.serialize(addax.optimizers.schedules.CosineDecay(0.5, 10))
    >>> addax.optimizers.schedules.deserialize(config).decay_steps
    10
    """
    return identifiers.deserialize(
        config, "learning rate schedule", "keras.optimizers.schedules", _OBJECTS, custom_objects
    )


def _float(step: Any) -> engine.Tensor:
    return ops.cast(step, "float32") if isinstance(step, engine.Tensor) else ops.convert_to_tensor(step, "float32")


def _check_positive(name: str, value: Any) -> None:
    if value is None or value <= 0:
        raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={value}")
