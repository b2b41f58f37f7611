"""The base class of optimizers: everything but the rule itself. The rules are one file each beside this one."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from addax import engine, initializers, ops
from addax.optimizers.clipping import clip_by_global_norm, clip_by_norm
from addax.optimizers.schedules.learning_rate_schedule import LearningRateSchedule
from addax.utils import naming
from addax.utils.interrupts import shielded
from addax.variables import Variable, name_scope


class Optimizer:
    """Changes variables along their gradients. Subclasses write `build`, `update_step` and `get_config`.

    Args:
        learning_rate: A float, a `LearningRateSchedule`, or a function without arguments that returns a float.
        weight_decay: Fraction by which each variable shrinks per step and unit of learning rate, or `None`.
        clipnorm: Largest norm of each gradient, or `None`.
        clipvalue: Largest absolute value in a gradient, or `None`.
        global_clipnorm: Largest norm of all gradients together, or `None`. At most one of the three may be given.
        use_ema: Whether to keep a running average of the variables, which replaces them when `fit` ends.
        ema_momentum: Share of the old average at each step, from 0 to 1.
        ema_overwrite_frequency: Number of steps after which the average replaces the variables, or `None`: only in
            the end.
        loss_scale_factor: Factor by which `fit` scales the loss, and gradients are divided, so that small ones survive
            in float16; or `None`.
        gradient_accumulation_steps: Number of steps whose gradients are averaged before variables change, at least 2;
            or `None`.
        name: A name, made up of the class's if not given.

    Raises:
        ValueError: If an argument is out of range or unknown.

    Example:

    >>> class Step(addax.optimizers.Optimizer):
    ...     def update_step(self, gradient, variable, learning_rate):
    ...         variable.assign(variable.value - learning_rate * gradient)
    >>> w = addax.Variable([1.0, 2.0])
    >>> Step(learning_rate=0.5).apply([addax.ops.ones(2)], [w])
    >>> w.numpy()
    array([0.5, 1.5], dtype=float32)
    """

    def __init__(
        self,
        learning_rate: float | LearningRateSchedule | Callable[[], Any],
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        if kwargs.pop("decay", None) is not None:
            warnings.warn("Argument `decay` is no longer supported and will be ignored.", stacklevel=3)
        if kwargs:
            raise ValueError(f"{type(self).__name__}: Argument(s) not recognized: {kwargs}")
        if sum(x is not None for x in (clipnorm, clipvalue, global_clipnorm)) > 1:
            raise ValueError(
                "Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. "
                f"Received: clipnorm={clipnorm}, clipvalue={clipvalue}, global_clipnorm={global_clipnorm}"
            )
        if use_ema and not 0 <= ema_momentum <= 1:
            raise ValueError(f"`ema_momentum` must be in the range [0, 1]. Received: ema_momentum={ema_momentum}")
        if ema_overwrite_frequency is not None and not _is_int_from(1, ema_overwrite_frequency):
            raise ValueError(
                "`ema_overwrite_frequency` must be an integer >= 1 or None. "
                f"Received: ema_overwrite_frequency={ema_overwrite_frequency}"
            )
        if gradient_accumulation_steps is not None and not _is_int_from(2, gradient_accumulation_steps):
            raise ValueError(
                "`gradient_accumulation_steps` must be an integer >= 2. "
                f"Received: gradient_accumulation_steps={gradient_accumulation_steps}"
            )
        self.name = name or naming.auto_name(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.built = False
        self._variables: list[Variable] = []
        self._trainable_variables: list[Variable] = []
        self._indices: dict[int, int] = {}
        self._decayed_ids: set[int] = set()
        self._undecayed_ids: set[int] = set()
        self._undecayed_names: list[re.Pattern] = []
        self._averages: list[Variable] = []
        self._accumulators: list[Variable] = []
        # The number of the step being applied, from 1; `update_step` of Adam and its kin reads it.
        self._step: engine.Tensor | None = None

        with name_scope(self.name):
            self._iterations = Variable(ops.zeros((), "int32"), trainable=False, name="iteration")
        self._variables.append(self._iterations)
        if isinstance(learning_rate, LearningRateSchedule):
            self._learning_rate: Any = learning_rate
        elif callable(learning_rate) and not isinstance(learning_rate, (engine.Tensor, Variable)):
            self._learning_rate = learning_rate
        else:
            if isinstance(learning_rate, str) or not float(learning_rate) >= 0:
                raise ValueError(
                    "Argument `learning_rate` should be float, or an instance of LearningRateSchedule, or a callable "
                    "(that takes in the current iteration value and returns the corresponding learning rate value). "
                    f"Received instead: learning_rate={learning_rate}"
                )
            with name_scope(self.name):
                self._learning_rate = Variable(
                    ops.convert_to_tensor(float(learning_rate), "float32"), trainable=False, name="learning_rate"
                )
            self._variables.append(self._learning_rate)

    @property
    def variables(self) -> list[Variable]:
        """The optimizer's own variables: `iteration`, `learning_rate` if it is a number, then the state."""
        return self._variables[:]

    @property
    def iterations(self) -> Any:
        """How many times the variables have been updated: a Variable, or a tensor under gradient accumulation."""
        if self.gradient_accumulation_steps:
            return self._iterations.value // self.gradient_accumulation_steps
        return self._iterations

    @property
    def learning_rate(self) -> Any:
        """The learning rate: a settable Variable if it was given as a number, else its present value."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate(_value(self._iterations))
        return self._learning_rate if isinstance(self._learning_rate, Variable) else self._learning_rate()

    @learning_rate.setter
    def learning_rate(self, learning_rate: Any) -> None:
        if not isinstance(self._learning_rate, Variable):
            kind = "`LearningRateSchedule`" if isinstance(self._learning_rate, LearningRateSchedule) else "callable"
            raise TypeError(
                f"This optimizer was created with a {kind} object as its `learning_rate` constructor argument, hence "
                "its learning rate is not settable. If you need the learning rate to be settable, you should "
                "instantiate the optimizer with a float `learning_rate` argument."
            )
        if isinstance(learning_rate, LearningRateSchedule):
            self._variables.remove(self._learning_rate)
            self._learning_rate = learning_rate
        else:
            self._learning_rate.assign(learning_rate)

    def build(self, variables: list[Variable]) -> None:
        """Makes the state for the variables to train. `apply` does it at the first call.

        Args:
            variables: The variables, in the order in which `apply` will get their gradients.
        """
        if self.use_ema:
            self._averages = self.add_optimizer_variables(variables, "average")
        if self.gradient_accumulation_steps:
            self._accumulators = self.add_optimizer_variables(variables, "gradient_accumulator")
        self._trainable_variables = list(variables)
        self._indices = {id(v): i for i, v in enumerate(variables)}
        self._decayed_ids = {id(v) for v in variables if not self._is_excluded(v)}
        self.built = True

    def add_variable(
        self,
        shape: tuple,
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: str = "none",
        layout: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Makes a variable of the optimizer's state.

        Args:
            shape: Its shape.
            initializer: An initializer or its name.
            dtype: Its dtype, `None` for `floatx()`.
            aggregation: How replicas would combine; kept for compatibility.
            layout: How it lies over devices; `None`: as the distribution in use says.
            name: Its name.
        """
        with name_scope(self.name):
            variable = Variable(initializers.get(initializer), shape, dtype, trainable=False, name=name, layout=layout)
        self._variables.append(variable)
        return variable

    def add_variable_from_reference(
        self, reference_variable: Variable, name: str | None = None, initializer: Any = "zeros"
    ) -> Variable:
        """Makes a state variable of the shape, dtype and layout of a variable to train, named after it.

        Args:
            reference_variable: The variable to train.
            name: What it holds, such as `"momentum"`.
            initializer: An initializer or its name.
        """
        name = name or "var"
        path = getattr(reference_variable, "path", None) or reference_variable.name
        return self.add_variable(
            reference_variable.shape,
            initializer,
            reference_variable.dtype,
            layout=getattr(reference_variable, "_layout", None),
            name=f"{path.replace('/', '_')}_{name}",
        )

    def add_optimizer_variables(
        self, trainable_variables: list[Variable], name: Any, initializer: Any = "zeros"
    ) -> Any:
        """Makes one or several state variables for each variable to train.

        Args:
            trainable_variables: The variables to train.
            name: What they hold, such as `"momentum"`; or a list of such names.
            initializer: An initializer or its name; or a list of them.

        Returns:
            A list of variables, or a tuple with a list for each name. Files hold them variable by variable.
        """
        if isinstance(name, str):
            return [self.add_variable_from_reference(v, name, initializer) for v in trainable_variables]
        initializers_ = initializer if isinstance(initializer, (list, tuple)) else [initializer] * len(name)
        made: tuple[list, ...] = tuple([] for _ in name)
        for variable in trainable_variables:
            for state, n, i in zip(made, name, initializers_, strict=True):
                state.append(self.add_variable_from_reference(variable, n, i))
        return made

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Variable]]) -> Variable:
        """Changes variables along their gradients; `apply` with the arguments of TensorFlow's optimizers.

        Args:
            grads_and_vars: Pairs of a gradient (or `None`) and its variable.

        Returns:
            The number of steps so far.
        """
        grads, variables = zip(*grads_and_vars, strict=True)
        self.apply(list(grads), list(variables))
        return self._iterations

    def apply(self, grads: list, trainable_variables: list[Variable] | None = None) -> None:
        """Changes variables along their gradients.

        A Ctrl-C during the call takes effect after it, so that variables and state always belong to the same step.

        Args:
            grads: Gradients, `None` for a variable that the loss does not depend on.
            trainable_variables: Their variables, `None` for those that the optimizer was built with.

        Raises:
            ValueError: If the numbers differ, all gradients are `None`, or a variable is not one the optimizer was
                built with.

        Example:

        >>> w = addax.Variable([1.0, 2.0])
        >>> addax.optimizers.SGD(0.5).apply([addax.ops.ones(2)], [w])
        >>> w.numpy()
        array([0.5, 1.5], dtype=float32)
        """
        grads = list(grads)
        if not grads:
            return
        variables = self._variables_of(grads, trainable_variables)
        grads, variables = self._with_gradients(grads, variables)
        grads = [_as_gradient(g, v) for g, v in zip(grads, variables, strict=True)]
        if self.loss_scale_factor:
            grads = [g / self.loss_scale_factor for g in grads]
        # All that can fail for the user's data has been computed; from here variables change together.
        with shielded():
            self._step = _value(self.iterations) + 1
            try:
                if self.gradient_accumulation_steps:
                    self._accumulate(grads, variables)
                else:
                    self._update(grads, variables)
                if self.use_ema:
                    self._update_averages()
                for variable in variables:
                    if variable.constraint is not None:
                        variable.assign(variable.constraint(variable.value))
                self._iterations.assign(
                    self._step if not self.gradient_accumulation_steps else _value(self._iterations) + 1
                )
            finally:
                self._step = None

    def update_step(self, gradient: Any, variable: Variable, learning_rate: Any) -> None:
        """Changes one variable along its gradient; written by subclasses.

        Args:
            gradient: A tensor of the variable's shape.
            variable: The variable.
            learning_rate: A 0-d float32 tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement `update_step`")

    def scale_loss(self, loss: Any) -> Any:
        """Returns the loss times `loss_scale_factor`; `fit` differentiates this.

        Args:
            loss: The loss.
        """
        return loss * self.loss_scale_factor if self.loss_scale_factor else loss

    def exclude_from_weight_decay(
        self, var_list: list[Variable] | None = None, var_names: list[str] | None = None
    ) -> None:
        """Leaves variables out of weight decay. To be called before `build`.

        Args:
            var_list: Variables.
            var_names: Strings; a variable whose name contains one (as a regular expression) is left out.

        Raises:
            ValueError: If the optimizer is built.
        """
        if self.built:
            raise ValueError(
                "`exclude_from_weight_decay()` can only be configured before the optimizer is built. "
                "Call it before `fit`, `apply` or `build`."
            )
        self._undecayed_ids |= {id(v) for v in var_list or ()}
        self._undecayed_names += [re.compile(name) for name in var_names or ()]

    def finalize_variable_values(self, var_list: list[Variable]) -> None:
        """Sets variables to their running averages, if the optimizer keeps these. `fit` calls it in the end.

        Args:
            var_list: The variables.
        """
        if self.use_ema:
            for variable in var_list:
                variable.assign(self._averages[self._index(variable)].value)

    def stateless_apply(
        self, optimizer_variables: list, grads: list, trainable_variables: list
    ) -> tuple[list[engine.Tensor], list[engine.Tensor]]:
        """Returns what variables would become by `apply`, and leaves them as they are.

        Args:
            optimizer_variables: Values to start from, in the order of `variables`.
            grads: Gradients.
            trainable_variables: Values of the variables that the optimizer was built with.

        Returns:
            New values of the variables, and new values of the optimizer's variables.

        Raises:
            ValueError: If the optimizer is not built or the numbers differ.
        """
        if not self.built:
            raise ValueError(
                f"To call `stateless_apply`, {type(self).__name__} must be built (i.e. its variables must have been "
                "created). You can build it via `optimizer.build(trainable_variables)`."
            )
        mine = self._trainable_variables + self._variables
        values = list(trainable_variables) + list(optimizer_variables)
        if len(values) != len(mine):
            raise ValueError(
                f"Expected {len(self._trainable_variables)} values of `trainable_variables` and {len(self._variables)} "
                f"of `optimizer_variables`. Received: {len(trainable_variables)} and {len(optimizer_variables)}"
            )
        before = [v.value for v in mine]
        try:
            for variable, value in zip(mine, values, strict=True):
                variable.assign(value)
            self.apply(grads, self._trainable_variables)
            after = [v.value for v in mine]
        finally:
            for variable, value in zip(mine, before, strict=True):
                variable.assign(value)
        return after[: len(self._trainable_variables)], after[len(self._trainable_variables) :]

    def set_weights(self, weights: list) -> None:
        """Sets the optimizer's variables.

        Args:
            weights: Values in the order of `variables`.

        Raises:
            ValueError: If the optimizer is not built or a shape differs.
        """
        if not self.built:
            raise ValueError("You are calling `set_weights()` on an optimizer that has not yet been built.")
        for variable, value in zip(self._variables, weights, strict=True):
            if variable.shape != tuple(value.shape):
                raise ValueError(
                    f"Optimizer variable {variable.path} has shape {variable.shape}, not compatible with provided "
                    f"weight shape {tuple(value.shape)}."
                )
            variable.assign(value)

    def save_own_variables(self, store: Any) -> None:
        """Writes the optimizer's variables into a mapping, for files.

        Args:
            store: The mapping; keys are the positions as strings.
        """
        for i, variable in enumerate(self._variables):
            store[str(i)] = variable.numpy()

    def load_own_variables(self, store: Any) -> None:
        """Reads the optimizer's variables from a mapping; warns and reads nothing if their number differs.

        Args:
            store: What `save_own_variables` wrote.
        """
        if len(store.keys()) != len(self._variables):
            unbuilt = " This is likely because the optimizer has not been called/built yet." if not self.built else ""
            warnings.warn(
                f"Skipping variable loading for optimizer '{self.name}', because it has {len(self._variables)} "
                f"variables whereas the saved optimizer has {len(store.keys())} variables.{unbuilt}",
                stacklevel=2,
            )
            return
        for i, variable in enumerate(self._variables):
            variable.assign(store[str(i)])

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor, from which `from_config` makes an equal optimizer."""
        from addax import saving

        rate = self._learning_rate
        return {
            "name": self.name,
            "learning_rate": float(rate.numpy()) if isinstance(rate, Variable) else saving.serialize_keras_object(rate),
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "global_clipnorm": self.global_clipnorm,
            "clipvalue": self.clipvalue,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "loss_scale_factor": self.loss_scale_factor,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Optimizer:
        """Makes an optimizer of what `get_config` returned.

        Args:
            config: Arguments of the constructor.
            custom_objects: Further classes and functions by name, for the learning rate.
        """
        from addax import saving

        if isinstance(config.get("learning_rate"), dict):
            rate = saving.deserialize_keras_object(config["learning_rate"], custom_objects=custom_objects)
            config = {**config, "learning_rate": rate}
        return cls(**config)

    def _variables_of(self, grads: list, variables: list[Variable] | None) -> list[Variable]:
        if variables is None:
            if not self.built:
                raise ValueError(
                    "When passing `grads` without `variables`, the optimizer must already be built on a list of "
                    "variables. Call `optimizer.build(trainable_variables)` first."
                )
            variables = self._trainable_variables
        else:
            variables = list(variables)
            if not self.built:
                self.build(variables)
            elif not all(id(v) in self._indices for v in variables):
                unknown = next(v for v in variables if id(v) not in self._indices)
                raise _unknown_variable(unknown)
        if len(grads) != len(variables):
            raise ValueError(
                "When passing `grads` as a list of gradient tensors, the gradients must match `optimizer.variables` "
                f"one-to-on. Received a list of {len(grads)} gradients, but the optimizer is tracking "
                f"{len(variables)} trainable variables."
            )
        return variables

    def _with_gradients(self, grads: list, variables: list[Variable]) -> tuple[list, list[Variable]]:
        if not any(g is None for g in grads):
            return grads, variables
        missing = [v.name for g, v in zip(grads, variables, strict=True) if g is None]
        pairs = [(g, v) for g, v in zip(grads, variables, strict=True) if g is not None]
        if not pairs:
            raise ValueError(
                f"No gradients provided for any variable. The loss does not depend on {missing}: was it computed "
                "inside the GradientTape, of the model's output, with `addax.ops` only?"
            )
        warnings.warn(
            f"Gradients do not exist for variables {missing} when minimizing the loss. If using `model.compile()`, "
            "did you forget to provide a `loss` argument?",
            stacklevel=4,
        )
        return [g for g, _ in pairs], [v for _, v in pairs]

    def _update(self, grads: list, variables: list[Variable]) -> None:
        grads = self._clip(grads)
        rate = _as_rate(self.learning_rate)
        self._decay_weights(variables, rate)
        for gradient, variable in zip(grads, variables, strict=True):
            self.update_step(gradient, variable, rate)

    def _accumulate(self, grads: list, variables: list[Variable]) -> None:
        steps = self.gradient_accumulation_steps
        accumulators = [self._accumulators[self._index(v)] for v in variables]
        due = ops.equal((_value(self._iterations) + 1) % steps, 0)

        def update() -> None:
            self._update([(a.value + g) / steps for a, g in zip(accumulators, grads, strict=True)], variables)
            for accumulator in accumulators:
                accumulator.assign(ops.zeros_like(accumulator.value))

        def gather() -> None:
            for accumulator, gradient in zip(accumulators, grads, strict=True):
                accumulator.assign(accumulator.value + gradient)

        ops.cond(due, update, gather)

    def _clip(self, grads: list) -> list:
        if self.clipnorm and self.clipnorm > 0:
            return [clip_by_norm(g, self.clipnorm) for g in grads]
        if self.global_clipnorm and self.global_clipnorm > 0:
            return clip_by_global_norm(list(grads), self.global_clipnorm)
        if self.clipvalue and self.clipvalue > 0:
            return [ops.clip(g, -self.clipvalue, self.clipvalue) for g in grads]
        return grads

    def _is_excluded(self, variable: Variable) -> bool:
        return id(variable) in self._undecayed_ids or any(p.search(variable.name) for p in self._undecayed_names)

    def _decay_weights(self, variables: list[Variable], rate: engine.Tensor) -> None:
        if self.weight_decay is None:
            return
        for variable in variables:
            if id(variable) in self._decayed_ids:
                value = variable.value
                shrink = ops.cast(rate * self.weight_decay, value.dtype)
                variable.assign(value - value * shrink)

    def _update_averages(self) -> None:
        # The average starts as the variables are after their first step.
        started = ops.cast(ops.not_equal(_value(self.iterations), 0), "float32") * self.ema_momentum
        for variable, average in zip(self._trainable_variables, self._averages, strict=True):
            momentum = ops.cast(started, average.dtype)
            average.assign(momentum * average.value + (1 - momentum) * variable.value)
        if self.ema_overwrite_frequency:
            due = ops.equal((_value(self.iterations) + 1) % self.ema_overwrite_frequency, 0)
            for variable, average in zip(self._trainable_variables, self._averages, strict=True):
                variable.assign(ops.where(due, average.value, variable.value))

    def _index(self, variable: Variable) -> int:
        try:
            return self._indices[id(variable)]
        except KeyError:
            raise _unknown_variable(variable) from None


def update_variables(op: str, state: list[Variable], inputs: list, **attributes: Any) -> None:
    """Runs a fused optimizer op of the engine, which assigns the variables in place."""
    engine.update(op, [v._box for v in state], inputs, **attributes)


def _as_gradient(gradient: Any, variable: Variable) -> engine.Tensor:
    if type(gradient) is not engine.Tensor or gradient.dtype != variable.dtype:
        gradient = ops.convert_to_tensor(gradient, dtype=variable.dtype)
    if gradient.shape != variable.shape:
        raise ValueError(
            f"The gradient of {variable.path} has shape {gradient.shape}, expected that of the variable, "
            f"{variable.shape}"
        )
    return gradient


def _value(variable: Any) -> engine.Tensor:
    return variable.value if isinstance(variable, Variable) else variable


def _as_rate(rate: Any) -> engine.Tensor:
    return ops.convert_to_tensor(_value(rate), dtype="float32")


def _is_int_from(least: int, value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _unknown_variable(variable: Variable) -> ValueError:
    return ValueError(
        f"Unknown variable: {variable}. This optimizer can only be called for the variables it was originally built "
        "with. When working with a new set of variables, you should recreate a new optimizer instance."
    )
