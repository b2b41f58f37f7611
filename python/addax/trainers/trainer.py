"""The trainer: `compile`, `fit`, `evaluate`, `predict` and the steps they run. `Model` is a layer with this.

There is one loop for all engines. Data comes from `data_adapters`, losses and metrics from `compile_utils`; `callbacks`
show and save what happens on the way.
"""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from addax import config, engine, ops, optimizers, tree
from addax.autograd import GradientTape
from addax.callbacks.callback_list import CallbackList, pythonify_logs
from addax.compiled import CompiledFunction, check_memory_budget
from addax.distribution import distribution
from addax.distribution.placement import lay_out_batch
from addax.metrics.reduction_metrics import Mean
from addax.random.seed_generator import make_default_seed
from addax.trainers import data_adapters
from addax.trainers.compile_utils import CompileLoss, CompileMetrics
from addax.trainers.data_adapters import data_adapter_utils
from addax.trainers.data_adapters.data_adapter import Rows
from addax.trainers.data_adapters.iterable_data_adapter import convert_batch
from addax.trainers.epoch_iterator import EpochIterator, warn_of_missing_data
from addax.utils import io_utils
from addax.utils.interrupts import watched
from addax.utils.progbar import Progbar


@contextmanager
def _closing(*iterators: EpochIterator | None) -> Iterator[None]:
    """However a loop ends, workers that prepare batches end with it."""
    try:
        yield
    finally:
        for iterator in iterators:
            if iterator is not None:
                iterator.close()


class _Compiled:
    """What `compile` made. Kept in one object, so that the walk over a model's attributes for the user's metrics does
    not find the trainer's own."""

    def __init__(self, loss_tracker: Any = None, loss: Any = None, metrics: Any = None, config: Any = None):
        self.loss_tracker = loss_tracker
        self.loss = loss
        self.metrics = metrics
        self.config = config


class _Steps:
    """The compiled steps of a model, made when first used."""

    def __init__(self, model: Trainer):
        self._model = weakref.ref(model)  # a model dies with its last reference
        self._memory_budget = model._memory_budget
        self._made: dict[str, CompiledFunction] = {}

    def __getitem__(self, name: str) -> CompiledFunction:
        step = self._made.get(name)
        if step is None:
            step = self._made[name] = CompiledFunction(_traced_step(self._model, name), name, self._memory_budget)
        return step


def _traced_step(reference: weakref.ref, name: str) -> Callable:
    def step(data: Any) -> Any:
        model = reference()
        try:
            return getattr(model, name)(data)
        finally:
            model.__dict__["_last_call"] = None  # the losses that layers added have no values

    return step


class Trainer:
    """The training half of `Model`."""

    def __init__(self):
        self.run_eagerly = False
        self.jit_compile = "auto"
        self._memory_budget: int | None = None
        self.compiled = False
        self.steps_per_execution = 1
        self.optimizer = None
        self.loss = None
        self.stop_training = False
        self.history = None
        self.train_function = self.test_function = self.predict_function = None
        self._compiled = _Compiled()
        self._steps: _Steps | None = None

    # -- compile

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: bool | str = "auto",
        auto_scale_loss: bool = True,
        *,
        memory_budget: int | None = None,
    ) -> None:
        """Says how the model is to be trained.

        Args:
            optimizer: An optimizer, its name or config.
            loss: A loss, its name, function or config; a list or dict of them for several outputs.
            loss_weights: Numbers by which the losses of several outputs are multiplied, in the same form.
            metrics: A list of metrics, names or functions; a list or dict of such lists for several outputs.
                `"accuracy"` is the accuracy that fits the shapes.
            weighted_metrics: The same, for metrics that take sample weights.
            run_eagerly: Whether steps are run as plain Python, for debugging.
            steps_per_execution: How many batches are trained on between two looks at callbacks.
            jit_compile: Whether steps are compiled; `"auto"`: they are. See `addax.compile`.
            auto_scale_loss: Kept for compatibility; an optimizer scales the loss by its `loss_scale_factor`.
            memory_budget: How many bytes a compiled step may take for activations, gradients and results. To keep it,
                activations are computed again instead of being held; training has the same bits. If it cannot be kept,
                the first step raises an error before it runs. It belongs to the machine: saved models do not have it.

        Raises:
            ValueError: If an argument is unknown or out of range.

        Example:

        >>> model = addax.Sequential([addax.layers.Dense(2)])
        >>> model.compile("adam", "mse", metrics=["mae"])
        >>> type(model.optimizer).__name__
        'Adam'
        """
        if not hasattr(steps_per_execution, "__index__") or steps_per_execution < 1:
            raise ValueError(
                f"`steps_per_execution` must be an integer of at least 1. "
                f"Received: steps_per_execution={steps_per_execution}"
            )
        memory_budget = check_memory_budget(memory_budget)
        if memory_budget is not None and (run_eagerly or jit_compile is False):
            raise ValueError(
                "`memory_budget` is kept by compiled steps; leave out `run_eagerly` and `jit_compile=False`."
            )
        output_names = getattr(self, "output_names", None)
        compile_loss = None if loss is None else CompileLoss(loss, loss_weights, output_names=output_names)
        compile_metrics = None
        if metrics is not None or weighted_metrics is not None:
            compile_metrics = CompileMetrics(metrics, weighted_metrics, output_names=output_names)
        self.optimizer = optimizers.get(optimizer)
        self.loss = loss
        self._compiled = _Compiled(
            loss_tracker=Mean(name="loss"),
            loss=compile_loss,
            metrics=compile_metrics,
            config={
                "optimizer": self.optimizer,
                "loss": loss,
                "loss_weights": loss_weights,
                "metrics": metrics,
                "weighted_metrics": weighted_metrics,
                "run_eagerly": run_eagerly,
                "steps_per_execution": steps_per_execution,
                "jit_compile": jit_compile,
            },
        )
        self.run_eagerly = run_eagerly
        self.jit_compile = jit_compile
        self._memory_budget = memory_budget
        self.steps_per_execution = int(steps_per_execution)
        self.stop_training = False
        self.compiled = True
        self.train_function = self.test_function = self.predict_function = None
        self._forget_steps()

    def get_compile_config(self) -> dict[str, Any] | None:
        """Returns the arguments of `compile` as a config, `None` if the model is not compiled."""
        from addax import saving

        return saving.serialize_keras_object(self._compiled.config) if self.compiled else None

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compiles the model as another one was, and builds the optimizer.

        Args:
            config: What `get_compile_config` returned.
        """
        from addax import saving

        if type(self).compile is not Trainer.compile and type(self).get_compile_config is Trainer.get_compile_config:
            warnings.warn(
                "`compile()` was not called as part of model loading because the model's `compile()` method is custom. "
                "All subclassed Models that have `compile()` overridden should also override `get_compile_config()` "
                "and `compile_from_config(config)`. Alternatively, you can call `compile()` manually after loading.",
                stacklevel=2,
            )
            return
        self.compile(**saving.deserialize_keras_object(config))
        if self.optimizer is not None and self.built:
            self.optimizer.build(self.trainable_variables)

    def _check_compiled(self, method: str) -> None:
        if not self.compiled:
            raise ValueError(f"You must call `compile()` before using the model. Received a call of `{method}()`.")

    # -- metrics

    @property
    def metrics(self) -> list:
        """The model's metrics: the mean loss, metrics that are attributes of the model or its layers, those of
        `compile`, and the mean loss of each output if there are several."""
        compiled = self._compiled
        found = [] if compiled.loss_tracker is None else [compiled.loss_tracker]
        found += super().metrics
        if compiled.metrics is not None:
            found.append(compiled.metrics)
        if compiled.loss is not None:
            found += compiled.loss.metrics
        return found

    @property
    def metrics_names(self) -> list[str]:
        """The names of `metrics`."""
        return [m.name for m in self.metrics]

    def reset_metrics(self) -> None:
        """Resets all metrics; `fit` and `evaluate` do it."""
        for metric in self.metrics:
            metric.reset_state()

    def get_metrics_result(self) -> dict[str, Any]:
        """Returns the results of all metrics by name. Override it to log others."""
        results: dict[str, Any] = {}
        for metric in self.metrics:
            if isinstance(metric, CompileMetrics) and not metric.built:
                continue
            result = metric.result()
            if isinstance(result, dict):
                results.update(result)
            else:
                results[metric.name] = result
        return results

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Adds a batch to the metrics of `compile` and returns the results of all. Override it to change that.

        Args:
            x: Inputs.
            y: Targets.
            y_pred: Predictions.
            sample_weight: Weights.
        """
        del x
        if self._compiled.metrics is not None:
            self._compiled.metrics.update_state(y, y_pred, sample_weight)
        return self.get_metrics_result()

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Returns the loss of a batch: that of `compile` plus those that layers added. Override it to change that.

        Args:
            x: Inputs.
            y: Targets.
            y_pred: Predictions.
            sample_weight: Weights.
            training: Whether the loss is for training; evaluation gives `False`.

        Raises:
            ValueError: If there is nothing to minimize.
        """
        del x
        loss = None if self._compiled.loss is None else self._compiled.loss(y, y_pred, sample_weight)
        for added in self.losses:
            loss = added if loss is None else loss + added
        if loss is not None:
            return loss
        if training:
            raise ValueError(
                "No loss to compute. Provide a `loss` argument in `compile()`, or call `add_loss()` in a layer."
            )
        return ops.zeros(())

    # -- steps

    def train_step(self, data: Any) -> dict[str, Any]:
        """Trains on a batch. Override it for another way of training.

        Args:
            data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

        Returns:
            What to log.

        Example:

        >>> class Model(addax.Sequential):
        ...     def train_step(self, data):
        ...         x, y = data
        ...         with addax.GradientTape() as tape:
        ...             y_pred = self(x, training=True)
        ...             loss = self.compute_loss(y=y, y_pred=y_pred)
        ...         gradients = tape.gradient(loss, self.trainable_variables)
        ...         self.optimizer.apply(gradients, self.trainable_variables)
        ...         return {"my_loss": loss}
        >>> model = Model([addax.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> history = model.fit(addax.ops.ones((8, 2)).numpy(), addax.ops.ones((8, 1)).numpy(), verbose=0)
        >>> list(history.history)
        ['my_loss']
        """
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        with GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=True)
            scaled = self.optimizer.scale_loss(loss)
        self._compiled.loss_tracker.update_state(loss, sample_weight=_batch_size(x))
        variables = self.trainable_variables
        if variables:
            self.optimizer.apply(tape.gradient(scaled, variables), variables)
        else:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Evaluates a batch. Override it for another way of evaluating.

        Args:
            data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`.

        Returns:
            What to log.
        """
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        y_pred = self(x, training=False)
        loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=False)
        self._compiled.loss_tracker.update_state(loss, sample_weight=_batch_size(x))
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """Predicts a batch. Override it for another way of predicting.

        Args:
            data: `(x,)`, `(x, y)` or `(x, y, sample_weight)`; only `x` is used.

        Returns:
            A tensor, or a nested structure of them.
        """
        x, _, _ = data_adapter_utils.unpack_x_y_sample_weight(data)
        return self(x, training=False)

    def make_train_function(self, force: bool = False) -> Callable:
        """Returns what trains on one batch: `self.train_function` where an override has set it, else the step.

        Override it to wrap `train_step`.

        Args:
            force: Whether to make it again.
        """
        return self._step("train_step") if self.train_function is None or force else self.train_function

    def make_test_function(self, force: bool = False) -> Callable:
        """Returns what evaluates one batch: `self.test_function` where an override has set it, else the step.

        Args:
            force: Whether to make it again.
        """
        return self._step("test_step") if self.test_function is None or force else self.test_function

    def make_predict_function(self, force: bool = False) -> Callable:
        """Returns what predicts one batch: `self.predict_function` where an override has set it, else the step.

        Args:
            force: Whether to make it again.
        """
        return self._step("predict_step") if self.predict_function is None or force else self.predict_function

    def _step(self, name: str) -> Callable:
        if self.run_eagerly or self.jit_compile is False or config.run_functions_eagerly():
            step = getattr(self, name)
            device = _device_of(self)
            return step if device is None else lambda data: step(_moved(data, device))
        if self._steps is None:
            self._steps = _Steps(self)
        return self._steps[name]

    def _forget_steps(self) -> None:
        """What was traced is not what the model is now."""
        self._steps = None

    # -- loops

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: str | int = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: dict[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int | Iterable[int] = 1,
    ) -> Any:
        """Trains the model.

        Interrupted by Ctrl-C or by an error, it leaves weights and optimizer as they are after the last whole step.

        Args:
            x: Inputs: an array (the first axis is the samples) or a nested structure of arrays, of NumPy or any library
                that converts to it; or a `PyDataset`, generator or iterable of batches `(x,)`, `(x, y)` or
                `(x, y, sample_weight)`. Their batches are drawn in this thread while the step before runs.
            y: Targets, in the structure of the outputs; not for datasets.
            batch_size: Samples in a batch, 32 if `None`; not for datasets.
            epochs: The number of the epoch to stop at.
            verbose: 0 silent, 1 progress bar, 2 a line an epoch, `"auto"` the bar.
            callbacks: Callbacks to call on the way.
            validation_split: Fraction of the samples, the last ones, that is kept for validation.
            validation_data: `(x, y)`, `(x, y, sample_weight)` or a dataset for validation.
            shuffle: Whether each epoch has another order; it follows from `addax.utils.set_random_seed`.
            class_weight: Weight of the loss by class number.
            sample_weight: Weight of the loss for each sample; not for datasets.
            initial_epoch: The number of the epoch to start with, to go on with an earlier run.
            steps_per_epoch: Batches in an epoch; `None`: all of the data once.
            validation_steps: Batches in a validation; `None`: all of the data.
            validation_batch_size: Samples in a batch of validation; `None`: `batch_size`.
            validation_freq: Number of epochs between validations, or the numbers of the epochs (from 1) with one.

        Returns:
            A `History` with the logs of all epochs.

        Raises:
            ValueError: If the model is not compiled or the data does not fit.

        Example:

        >>> import numpy as np
        >>> model = addax.Sequential([addax.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> x = np.ones((8, 2), dtype="float32")
        >>> history = model.fit(x, x[:, :1], epochs=2, verbose=0)
        >>> len(history.history["loss"])
        2
        """
        self._check_compiled("fit")
        if config.max_epochs() is not None:
            epochs = min(epochs, config.max_epochs())
        verbose = io_utils.resolve_verbose(verbose)
        is_due = _validation_due(validation_freq)
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = data_adapter_utils.train_validation_split(
                (x, y, sample_weight), validation_split
            )
        adapter = data_adapters.get_data_adapter(
            x, y, sample_weight, batch_size, shuffle, class_weight, seed=make_default_seed() if shuffle else 0
        )
        if adapter.num_batches == 0:
            raise ValueError("fit: there are no samples to train on")
        iterator = EpochIterator(adapter, steps_per_epoch, self.steps_per_execution, repeats=True)
        validation = None
        if validation_data is not None:
            val_x, val_y, val_weight = data_adapter_utils.unpack_x_y_sample_weight(validation_data)
            val_adapter = data_adapters.get_data_adapter(val_x, val_y, val_weight, validation_batch_size or batch_size)
            validation = EpochIterator(val_adapter, validation_steps, self.steps_per_execution)
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_history=True,
                add_progbar=verbose != 0,
                verbose=verbose,
                epochs=epochs,
                steps=iterator.num_batches,
                model=self,
            )
        self.stop_training = False
        train = self.make_train_function()
        epoch_logs: dict[str, Any] = {}
        with watched(), _closing(iterator, validation):
            callbacks.on_train_begin()
            for epoch in range(initial_epoch, epochs):
                logs, ran = None, False
                self.reset_metrics()
                callbacks.on_epoch_begin(epoch)
                for first, last, batches in iterator.epoch(epoch, _at_once(train, callbacks, "train")):
                    callbacks.on_train_batch_begin(first)
                    logs, ran = _run_all(train, batches, iterator), True
                    callbacks.on_train_batch_end(last, logs)
                    if self.stop_training:
                        break
                if iterator.is_exhausted and epoch + 1 < epochs:
                    warn_of_missing_data()
                if not ran:
                    break
                epoch_logs = self._final_logs(logs)
                if validation is not None and validation.is_exhausted:
                    warnings.warn("The validation data ran out; there will be no more validation.", stacklevel=2)
                    validation = None
                if validation is not None and is_due(epoch):
                    val_logs = self.evaluate(x=validation, callbacks=callbacks, return_dict=True)
                    epoch_logs.update((f"val_{name}", value) for name, value in val_logs.items())
                callbacks.on_epoch_end(epoch, epoch_logs)
                if self.stop_training or iterator.is_exhausted:
                    break
            if self.optimizer is not None and epochs > initial_epoch:
                self.optimizer.finalize_variable_values(self.trainable_variables)
            callbacks.on_train_end(epoch_logs)
        return self.history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Returns loss and metrics on data.

        Args:
            x: Inputs, or a dataset; see `fit`.
            y: Targets; not for datasets.
            batch_size: Samples in a batch, 32 if `None`.
            verbose: 0 silent, 1 progress bar, 2 one line, `"auto"` the bar.
            sample_weight: Weights; not for datasets.
            steps: Number of batches; `None`: all of the data.
            callbacks: Callbacks to call on the way.
            return_dict: Whether to return a dict by name rather than a list.

        Returns:
            The loss, or a list of loss and metrics, or a dict of them.

        Raises:
            ValueError: If the model is not compiled or the data does not fit.

        Example:

        >>> import numpy as np
        >>> model = addax.Sequential([addax.layers.Dense(1, kernel_initializer="zeros")])
        >>> model.compile("sgd", "mse", metrics=["mae"])
        >>> model.evaluate(np.ones((8, 2)), 2 * np.ones((8, 1)), verbose=0)
        [4.0, 2.0]
        """
        self._check_compiled("evaluate")
        if kwargs:
            raise ValueError(f"Arguments not recognized: {kwargs}")
        verbose = io_utils.resolve_verbose(verbose)
        if isinstance(x, EpochIterator):
            iterator, batch = x, None
        else:
            adapter = data_adapters.get_data_adapter(x, y, sample_weight, batch_size)
            if adapter.num_batches == 0:
                raise ValueError("evaluate: there are no samples to evaluate")
            iterator = EpochIterator(adapter, steps, self.steps_per_execution)
            batch = adapter.single_batch() if not callbacks and steps in (None, 1) else None
        test = self.make_test_function()
        if batch is not None:
            bar = Progbar(1, verbose=verbose, stateless_metrics=()) if verbose else None
            self.reset_metrics()
            logs = self._final_logs(test(lay_out_batch(batch)))
            if bar is not None:
                bar.update(1, list(logs.items()))
        else:
            logs = self._evaluate(iterator, test, callbacks, verbose)
        return logs if return_dict else self._in_order(logs)

    def _evaluate(self, iterator: EpochIterator, test: Callable, callbacks: Any, verbose: int) -> dict[str, Any]:
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_progbar=verbose != 0,
                verbose=verbose,
                epochs=1,
                steps=iterator.num_batches,
                model=self,
            )
        logs, ran = None, False
        self.stop_evaluating = False
        callbacks.on_test_begin()
        self.reset_metrics()
        with _closing(iterator):
            for first, last, batches in iterator.epoch(0, _at_once(test, callbacks, "test")):
                callbacks.on_test_batch_begin(first)
                logs, ran = _run_all(test, batches, iterator), True
                callbacks.on_test_batch_end(last, logs)
                if self.stop_evaluating:
                    break
        if not ran:
            raise ValueError("evaluate: the data has no batches")
        logs = self._final_logs(logs)
        callbacks.on_test_end(logs)
        return logs

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: str | int = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Returns predictions for inputs.

        For arrays that fit one batch this costs what calling the model costs, and prints nothing unless asked.

        Args:
            x: Inputs, or a dataset; see `fit`.
            batch_size: Samples in a batch, 32 if `None`.
            verbose: 0 silent, 1 progress bar, 2 one line, `"auto"` the bar if there is more than one batch.
            steps: Number of batches; `None`: all of the data.
            callbacks: Callbacks to call on the way.

        Returns:
            A NumPy array, or a nested structure of them.

        Raises:
            ValueError: If the data does not fit.

        Example:

        >>> import numpy as np
        >>> model = addax.Sequential([addax.layers.Dense(1, kernel_initializer="ones")])
        >>> model.predict(np.ones((2, 3)))
        array([[3.],
               [3.]], dtype=float32)
        """
        predict = self.make_predict_function()
        alone = not callbacks and steps in (None, 1)
        batch = data_adapters.single_batch(x, batch_size) if alone else None
        if batch is None:
            adapter = data_adapters.get_data_adapter(x, batch_size=batch_size)
            batch = adapter.single_batch() if alone else None
        if batch is not None:
            bar = Progbar(1, verbose=io_utils.resolve_verbose(verbose)) if verbose not in ("auto", 0) else None
            outputs = _to_numpy(predict(lay_out_batch(batch)))
            if bar is not None:
                bar.update(1)
            return outputs
        verbose = io_utils.resolve_verbose(verbose)
        iterator = EpochIterator(adapter, steps, self.steps_per_execution)
        if not isinstance(callbacks, CallbackList):
            callbacks = CallbackList(
                callbacks,
                add_progbar=verbose != 0,
                verbose=verbose,
                epochs=1,
                steps=iterator.num_batches,
                model=self,
            )
        self.stop_predicting = False
        parts: list[list] = []
        structure: Any = None
        callbacks.on_predict_begin()
        with _closing(iterator):
            for first, last, batches in iterator.epoch(0):
                callbacks.on_predict_batch_begin(first)
                for batch in batches:
                    structure = _run(predict, batch, iterator)
                    parts.append([_to_numpy(leaf) for leaf in tree.flatten(structure)])
                callbacks.on_predict_batch_end(last, {"outputs": structure})
                if self.stop_predicting:
                    break
        callbacks.on_predict_end()
        if not parts:
            raise ValueError("predict: there are no batches to predict")
        joined = [np.concatenate(leaves, axis=0) for leaves in zip(*parts, strict=True)]
        return tree.pack_sequence_as(structure, joined)

    # -- single batches

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: dict[int, float] | None = None,
        return_dict: bool = False,
    ) -> Any:
        """Trains on a batch, and returns loss and metrics of this batch alone.

        Args:
            x: Inputs.
            y: Targets.
            sample_weight: Weights.
            class_weight: Weight of the loss by class number.
            return_dict: Whether to return a dict by name rather than a list.

        Returns:
            The loss, or a list of loss and metrics, or a dict of them.

        Raises:
            ValueError: If the model is not compiled or the data does not fit.

        Example:

        >>> import numpy as np
        >>> model = addax.Sequential([addax.layers.Dense(1, kernel_initializer="zeros")])
        >>> model.compile("sgd", "mse")
        >>> model.train_on_batch(np.ones((8, 2)), np.ones((8, 1)))
        1.0
        """
        self._check_compiled("train_on_batch")
        if class_weight is not None and sample_weight is not None:
            raise ValueError(
                "Arguments `sample_weight` and `class_weight` cannot be specified at the same time. "
                f"Received: sample_weight={sample_weight}, class_weight={class_weight}"
            )
        batch = _one_batch(x, y, sample_weight, class_weight)
        self.reset_metrics()
        logs = pythonify_logs(self.make_train_function()(batch))
        return logs if return_dict else self._in_order(logs)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Evaluates a batch, and returns loss and metrics of this batch alone.

        Args:
            x: Inputs.
            y: Targets.
            sample_weight: Weights.
            return_dict: Whether to return a dict by name rather than a list.

        Returns:
            The loss, or a list of loss and metrics, or a dict of them.

        Raises:
            ValueError: If the model is not compiled or the data does not fit.

        Example:

        >>> import numpy as np
        >>> model = addax.Sequential([addax.layers.Dense(1, kernel_initializer="zeros")])
        >>> model.compile("sgd", "mse")
        >>> model.test_on_batch(np.ones((8, 2)), np.ones((8, 1)), return_dict=True)
        {'loss': 1.0}
        """
        self._check_compiled("test_on_batch")
        batch = _one_batch(x, y, sample_weight)
        self.reset_metrics()
        logs = pythonify_logs(self.make_test_function()(batch))
        return logs if return_dict else self._in_order(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """Predicts a batch.

        Args:
            x: Inputs.

        Returns:
            A NumPy array, or a nested structure of them.

        Example:

        >>> import numpy as np
        >>> model = addax.Sequential([addax.layers.Dense(1, kernel_initializer="ones")])
        >>> model.predict_on_batch(np.ones((1, 3)))
        array([[3.]], dtype=float32)
        """
        return _to_numpy(self.make_predict_function()(_one_batch(x)))

    # -- logs

    def _final_logs(self, logs: Any) -> dict[str, Any]:
        """The logs of an epoch as numbers: the metrics as they stand now, or what the last step returned if it returned
        something else."""
        results = pythonify_logs(self.get_metrics_result())
        if logs is None:
            return results
        numbers = pythonify_logs(logs)
        return results if numbers.keys() == results.keys() else numbers

    def _in_order(self, logs: dict[str, Any]) -> Any:
        """The values of logs as a list: the metrics of the model in their order, then the rest by name."""
        names: dict[str, None] = {}
        for metric in self.metrics:
            for one in metric.metrics if isinstance(metric, CompileMetrics) else (metric,):
                if one.name in logs:
                    names[one.name] = None
        names.update(dict.fromkeys(sorted(logs)))
        values = [logs[name] for name in names]
        return values[0] if len(values) == 1 else values


def _device_of(model: Trainer) -> str | None:
    """Where eager steps need their batches, if that is not the host. Compiled steps take batches from there."""
    variables = model.variables
    device = variables[0].value.device if variables else engine.current_device()
    return device if device.startswith("cuda") else None


def _moved(data: Any, device: str) -> Any:
    return tree.map_structure(lambda x: x.to(device) if isinstance(x, engine.Tensor) else x, data)


def _run(step: Callable, batch: tuple, iterator: EpochIterator) -> Any:
    """Runs a step on a batch, and draws the next one meanwhile."""
    batch = lay_out_batch(batch)
    if iterator.adapter.in_memory:
        return step(batch)
    if isinstance(step, CompiledFunction):
        return step.run_beside(batch, iterator.draw_ahead)
    result = step(batch)
    iterator.draw_ahead()  # the order of what steps and sources do is the same for any step
    return result


def _at_once(step: Callable, callbacks: CallbackList, mode: str) -> Callable[[], int] | None:
    """How many batches a step may run at once: more than one if no callback sees batches."""
    return step.runs_at_once if isinstance(step, CompiledFunction) and not callbacks.sees_batches(mode) else None


def _run_all(step: Callable, batches: list[tuple] | Rows, iterator: EpochIterator) -> Any:
    """Runs a step on each batch; returns what the last one returned."""
    if isinstance(batches, Rows) and isinstance(step, CompiledFunction) and distribution() is None:
        return step.run_rows(batches)
    for batch in batches:
        logs = _run(step, batch, iterator)
    return logs


def _batch_size(x: Any) -> int:
    if not isinstance(x, engine.Tensor):
        x = next(leaf for leaf in tree.flatten(x) if leaf is not None)
    return x.shape[0]


def _one_batch(x: Any, y: Any = None, sample_weight: Any = None, class_weight: dict | None = None) -> tuple:
    data_adapter_utils.check_data_cardinality(
        **{
            name: tree.map_structure(lambda a: a if a is None or hasattr(a, "shape") else np.asarray(a), data)
            for name, data in (("x", x), ("y", y), ("sample_weight", sample_weight))
            if data is not None
        }
    )
    batch = (x, y, sample_weight) if sample_weight is not None else (x,) if y is None else (x, y)
    return lay_out_batch(convert_batch(batch, class_weight))


def _to_numpy(outputs: Any) -> Any:
    if type(outputs) is engine.Tensor:  # the usual case, and a walk takes longer than a small model's step
        return outputs.copy_to_numpy()
    return tree.map_structure(lambda x: x.copy_to_numpy() if isinstance(x, engine.Tensor) else x, outputs)


def _validation_due(validation_freq: Any) -> Callable[[int], bool]:
    if isinstance(validation_freq, int) and not isinstance(validation_freq, bool):
        if validation_freq < 1:
            raise ValueError(f"`validation_freq` must be at least 1. Received: validation_freq={validation_freq}")
        return lambda epoch: (epoch + 1) % validation_freq == 0
    if isinstance(validation_freq, (list, tuple, set)):
        return lambda epoch: epoch + 1 in validation_freq
    raise ValueError(
        "Expected `validation_freq` to be a list or int. "
        f"Received: validation_freq={validation_freq} of the type {type(validation_freq)}."
    )
