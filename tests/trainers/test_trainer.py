"""The trainer's own promises: custom steps, Ctrl-C, same bits, no leaks, cheap predictions, messages that teach."""

import gc
import os
import signal
import sys
import threading
import time
import warnings

import numpy as np
import pytest

import addax
from addax.compiled import CompiledFunction
from tests.trainers.helpers import BINARY, NUMBERS, REAL, WEIGHTS, X, mlp


def compiled(units=3, activation=None, loss="mse", **kwargs):
    model = mlp(addax, units, activation)
    model.compile(kwargs.pop("optimizer", "adam"), loss, **kwargs)
    return model


# -- custom steps


class TwoLosses(addax.Sequential):
    """A `train_step` as Keras's guide on customizing `fit` writes it."""

    def train_step(self, data):
        x, y = data
        with addax.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(y=y, y_pred=y_pred)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(y, y_pred)
        return {m.name: m.result() for m in self.metrics}


def test_custom_train_step_gives_what_the_built_in_one_does():
    ours = compiled(metrics=["mae"])
    theirs = TwoLosses([addax.layers.Input((4,)), *(type(x).from_config(x.get_config()) for x in ours.layers)])
    theirs.set_weights(ours.get_weights())
    theirs.compile("adam", "mse", metrics=["mae"])
    # Batches of one size: the guide's step weighs them all alike.
    histories = [m.fit(X, REAL, batch_size=25, epochs=2, shuffle=False, verbose=0).history for m in (ours, theirs)]
    assert list(histories[0]) == list(histories[1]) == ["loss", "mae"]
    for name in ("loss", "mae"):
        np.testing.assert_allclose(histories[0][name], histories[1][name], rtol=1e-6)
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class OwnMetrics(addax.Model):
    """A model with its own loss tracker, without a loss in `compile`."""

    def __init__(self):
        super().__init__()
        self.dense = addax.layers.Dense(3)
        self.tracker = addax.metrics.Mean(name="distance")

    def call(self, x):
        return self.dense(x)

    @property
    def metrics(self):
        return [self.tracker]

    def train_step(self, data):
        x, y = data
        with addax.GradientTape() as tape:
            loss = addax.ops.mean(addax.ops.abs(y - self(x, training=True)))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        self.tracker.update_state(loss)
        return {"distance": self.tracker.result()}

    def test_step(self, data):
        x, y = data
        self.tracker.update_state(addax.ops.mean(addax.ops.abs(y - self(x, training=False))))
        return {"distance": self.tracker.result()}


def test_custom_steps_without_a_compiled_loss():
    model = OwnMetrics()
    model.compile(addax.optimizers.SGD(0.1))
    history = model.fit(X, REAL, epochs=9, verbose=0, validation_data=(X, REAL))
    assert list(history.history) == ["distance", "val_distance"]
    assert history.history["val_distance"][8] < history.history["val_distance"][0]
    assert model.evaluate(X, REAL, verbose=0) == pytest.approx(
        model.evaluate(X, REAL, batch_size=64, verbose=0), rel=0.1
    )


def test_overriding_compute_loss_and_metrics():
    class Twice(addax.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return 2 * super().compute_loss(x, y, y_pred, sample_weight, training)

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "constant": 7.0}

    model = Twice([addax.layers.Dense(3, kernel_initializer="zeros")])
    model.compile("sgd", "mse")
    logs = model.evaluate(X, REAL, verbose=0, return_dict=True)
    assert logs == {"constant": 7.0, "loss": pytest.approx(2 * float(np.mean(REAL**2)), rel=1e-5)}


def test_losses_added_by_layers_and_regularizers_train():
    class Penalty(addax.layers.Layer):
        def call(self, x):
            self.add_loss(addax.ops.mean(x) * 0 + 3.0)
            return x

    model = addax.Sequential(
        [
            Penalty(),
            addax.layers.Dense(
                3, use_bias=False, kernel_initializer="ones", kernel_regularizer=addax.regularizers.L2(0.5)
            ),
        ]
    )
    model.compile("sgd")
    assert model.evaluate(X, verbose=0) == pytest.approx(3.0 + 0.5 * 12)
    model.fit(X, epochs=1, verbose=0)
    assert np.abs(model.get_weights()[0]).max() < 1


@pytest.mark.parametrize("custom", [False, True])
def test_losses_added_in_a_branch(custom):
    """Eagerly and compiled: the loss of the branch that is taken, nothing of the other; of nested ones too."""

    @addax.ops.custom_gradient
    def same(x):
        return x, lambda *args, upstream=None: upstream

    class Penalty(addax.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(), initializer="ones")

        def call(self, x):
            ops = addax.ops
            self.add_loss(0.0 * self.scale)  # without any, there is nothing to minimize

            def large():
                self.add_loss(3.0 * self.scale)
                self.add_loss(ops.cond(ops.max(x) > 100, lambda: self.scale * 0, lambda: ops.mean(x) * self.scale))
                return same(x) if custom else x

            def small():
                ops.cond(ops.sum(x) < 0, lambda: self.add_loss(7.0 * self.scale), lambda: None)
                return x * 1.0

            return ops.cond(ops.max(x) > 1, large, small)

    logs = {}
    for eagerly in (True, False):
        model = addax.Sequential([addax.layers.Input((3,)), Penalty()])
        model.compile(addax.optimizers.SGD(0.5), run_eagerly=eagerly)
        for value in (2.0, -2.0, 0.5):
            x = np.full((4, 3), value, "float32")
            model.set_weights([np.ones((), "float32")])
            logs[eagerly, value] = [model.train_on_batch(x), float(model.get_weights()[0])]
    assert [logs[True, v] for v in (2.0, -2.0, 0.5)] == [[5.0, 1 - 2.5], [7.0, 1 - 3.5], [0.0, 1.0]]
    for value in (2.0, -2.0, 0.5):
        assert logs[False, value] == logs[True, value]


def test_metrics_of_layers_are_logged_and_reset():
    class Watch(addax.layers.Layer):
        def __init__(self):
            super().__init__()
            self.seen = addax.metrics.Sum(name="seen")

        def call(self, x):
            self.seen.update_state(addax.ops.ones((x.shape[0],)))
            return x

    model = addax.Sequential([Watch(), addax.layers.Dense(3)])
    model.compile("sgd", "mse")
    assert model.fit(X, REAL, epochs=2, verbose=0).history["seen"] == [50.0, 50.0]


# -- Ctrl-C


class Interrupt(addax.callbacks.Callback):
    def __init__(self, hook, at=2):
        super().__init__()
        setattr(self, hook, self.stop)
        self.at = at
        self.calls = 0

    def stop(self, *args, **kwargs):
        self.calls += 1
        if self.calls == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    "hook",
    [
        "on_epoch_begin",
        "on_epoch_end",
        "on_train_batch_begin",
        "on_train_batch_end",
        "on_test_batch_end",
        "on_test_begin",
    ],
)
def test_interrupted_fit_can_go_on(hook):
    model = compiled(metrics=["mae"])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, REAL, epochs=3, batch_size=10, verbose=0, validation_data=(X, REAL), callbacks=[Interrupt(hook)])
    weights = model.get_weights()
    assert all(np.isfinite(w).all() for w in weights)
    history = model.fit(X, REAL, epochs=2, batch_size=10, verbose=0)
    assert len(history.epoch) == 2
    assert model.predict(X, verbose=0).shape == (50, 3)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupted_by_a_signal_between_two_variables_of_an_update():
    """SIGINT that arrives in the middle of an update takes effect after the whole update."""

    class Interrupted(addax.optimizers.Adam):
        done = 0

        def update_step(self, gradient, variable, learning_rate):
            super().update_step(gradient, variable, learning_rate)
            Interrupted.done += 1
            if Interrupted.done == 6:  # the second of four variables, in the second step
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(0.01)

    model = compiled(optimizer=Interrupted(0.01), run_eagerly=True)
    whole = compiled(optimizer=addax.optimizers.Adam(0.01), run_eagerly=True)
    whole.set_weights(model.get_weights())
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, REAL, batch_size=10, epochs=9, shuffle=False, verbose=0)
    whole.fit(X, REAL, batch_size=10, steps_per_epoch=2, shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 2
    for a, b in zip(model.optimizer.variables, whole.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    for a, b in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_interrupted_by_a_signal_at_any_time():
    """However far a compiled step has come, weights and optimizer belong to the same whole step afterwards."""
    model, whole = compiled(optimizer=addax.optimizers.Adam(0.01)), compiled(optimizer=addax.optimizers.Adam(0.01))
    whole.set_weights(model.get_weights())
    model.train_on_batch(X[:10], REAL[:10])
    whole.train_on_batch(X[:10], REAL[:10])
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X[:10], REAL[:10], batch_size=10, epochs=10**9, shuffle=False, verbose=0)
    timer.join()
    steps = int(model.optimizer.iterations) - 1
    assert steps > 1
    whole.fit(X[:10], REAL[:10], batch_size=10, epochs=steps, shuffle=False, verbose=0)
    for a, b in zip(model.optimizer.variables, whole.optimizer.variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    for a, b in zip(model.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_interrupt_ends_the_workers():
    class Slow(addax.utils.PyDataset):
        def __len__(self):
            return 100

        def __getitem__(self, index):
            return X[:5], REAL[:5]

    before = threading.active_count()
    model = compiled()
    with pytest.raises(KeyboardInterrupt):
        model.fit(Slow(workers=3), verbose=0, callbacks=[Interrupt("on_train_batch_end")])
    gc.collect()
    assert threading.active_count() == before


def test_error_in_a_step_leaves_the_model_usable():
    model = compiled()
    with pytest.raises(ValueError, match="y_true"):
        model.fit(X, REAL[:, :2], verbose=0)
    model.fit(X, REAL, verbose=0)


# -- same bits


def trained(seed, threads=None, batch_size=9, **kwargs):
    before = addax.config.num_threads()
    try:
        if threads:
            addax.config.set_num_threads(threads)
        addax.utils.set_random_seed(seed)
        model = addax.Sequential(
            [
                addax.layers.Input((20, 20, 3)),
                addax.layers.Conv2D(16, 3, activation="relu"),
                addax.layers.BatchNormalization(),
                addax.layers.MaxPooling2D(),
                addax.layers.Flatten(),
                addax.layers.Dropout(0.3),
                addax.layers.Dense(64, activation="relu"),
                addax.layers.Dense(5, activation="softmax"),
            ]
        )
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(40, 20, 20, 3)).astype("float32"), rng.integers(0, 5, 40)
        history = model.fit(x, y, batch_size=batch_size, epochs=2, verbose=0, validation_split=0.2, **kwargs).history
        return history, model.get_weights(), [v.numpy() for v in model.optimizer.variables]
    finally:
        addax.config.set_num_threads(before)


def assert_same_bits(a, b):
    assert a[0] == b[0]
    for one, other in zip(a[1] + a[2], b[1] + b[2], strict=True):
        np.testing.assert_array_equal(one, other)


def test_same_seed_same_bits():
    assert_same_bits(trained(3), trained(3))
    assert trained(3)[0] != trained(4)[0]


@pytest.mark.parametrize("threads", [2, 4])
def test_number_of_threads_changes_no_bit(threads):
    # Large enough a batch that kernels do divide their work.
    assert_same_bits(trained(3, threads=1, batch_size=32), trained(3, threads=threads, batch_size=32))


def test_order_of_an_epoch_follows_from_its_number():
    """A run that is resumed with `initial_epoch` goes on in the order that it would have had."""
    seen = []

    class Order(addax.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append(logs["first"])

    class First(addax.Sequential):
        def train_step(self, data):
            return {"first": data[0][0, 0]}

    def orders(**kwargs):
        seen.clear()
        addax.utils.set_random_seed(1)
        model = First([addax.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(X, REAL, batch_size=10, verbose=0, callbacks=[Order()], **kwargs)
        return seen[:]

    whole = orders(epochs=3)
    assert whole == orders(epochs=3)
    assert whole[10:] == orders(epochs=3, initial_epoch=2)
    assert whole[:5] != whole[5:10]
    assert orders(epochs=1, shuffle=False) == [float(v) for v in X[::10, 0]]


# -- memory


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_many_fits_keep_memory_flat():
    model = compiled(metrics=["mae"])

    def round():
        for _ in range(20):
            model.fit(X, REAL, epochs=2, verbose=0, validation_split=0.2)
            model.evaluate(X, REAL, verbose=0)
            model.predict(X, batch_size=20, verbose=0)
            model.predict(X[:5], verbose=0)
        gc.collect()
        return addax.engine.memory_stats()["live"], len(gc.get_objects()), resident_bytes()

    for _ in range(3):
        round()
    live, objects, resident = round()
    for _ in range(5):
        after = round()
    assert after[0] == live  # the engine's bytes: exactly
    assert after[1] <= objects + 20  # Python's objects: a few of pytest's own come and go
    assert after[2] <= resident + (1 << 20)  # pages: one large block of the C allocator is tolerated


def test_models_die_with_their_last_reference():
    def live_after_one():
        model = compiled()
        model.fit(X, REAL, verbose=0, validation_split=0.2)
        del model
        return addax.engine.memory_stats()["live"]

    gc.collect()
    gc.disable()
    try:
        first = live_after_one()
        assert live_after_one() == first == live_after_one()
    finally:
        gc.enable()


# -- prediction costs what calling costs


def test_predict_on_one_batch_starts_no_machinery(monkeypatch, capsys):
    from addax.trainers import trainer

    def forbidden(*args, **kwargs):
        raise AssertionError("machinery for one batch")

    model = compiled()
    expected = model(X[:5]).numpy()
    for name in ("EpochIterator", "CallbackList", "Progbar"):
        monkeypatch.setattr(trainer, name, forbidden)
    for form in (X[:5], X[:5].astype("float64"), addax.ops.convert_to_tensor(X[:5])):
        np.testing.assert_array_equal(model.predict(form), expected)
    assert capsys.readouterr().out == ""


def test_predict_costs_what_calling_costs():
    """Interleaved rounds in one thread's CPU time; the ratio of medians is far below the 300 of TensorFlow's report."""
    model = compiled()
    x = X[:1]
    calls = {"predict": lambda: model.predict(x, verbose=0), "call": lambda: model(x).numpy()}
    times = {name: [] for name in calls}
    for _ in range(30):
        for name, call in calls.items():
            start = time.thread_time()
            for _ in range(20):
                call()
            times[name].append(time.thread_time() - start)
    ratio = np.median(times["predict"]) / np.median(times["call"])
    assert ratio < 3, f"predict takes {ratio:.1f} times as long as calling the model"


def test_predictions_are_the_users_to_write():
    model = compiled()
    for batch_size in (None, 64, 7):
        predictions = model.predict(X, batch_size=batch_size, verbose=0)
        assert type(predictions) is np.ndarray
        predictions[0] = 0


def test_predict_on_nothing_and_on_structures():
    model = compiled()
    assert model.predict(X[:0]).shape == (0, 3)

    class Dicts(addax.Model):
        def call(self, inputs):
            return {"sum": inputs["a"] + inputs["b"], "both": [inputs["a"], inputs["b"]]}

    for batch_size in (64, 7):
        predictions = Dicts().predict({"a": X, "b": 2 * X}, batch_size=batch_size, verbose=0)
        np.testing.assert_allclose(predictions["sum"], 3 * X, rtol=1e-6)
        np.testing.assert_array_equal(predictions["both"][1], 2 * X)


# -- what the step does not wait for


def test_logs_are_numbers_only_where_they_are_shown(monkeypatch):
    from addax.callbacks import callback_list

    conversions = []
    convert = callback_list._number
    monkeypatch.setattr(callback_list, "_number", lambda value: conversions.append(1) or convert(value))
    model = compiled()
    model.fit(X, REAL, batch_size=5, verbose=0)
    assert len(conversions) <= 2  # the end of the epoch, not its ten steps
    conversions.clear()
    model.fit(X, REAL, batch_size=5, verbose=0, callbacks=[addax.callbacks.TerminateOnNaN()])
    assert len(conversions) >= 10


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
@pytest.mark.parametrize("group", [3, 4, 20])
def test_groups_of_steps_give_the_same_bits(shuffle, group):
    class Seen(addax.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            seen.append(batch)

        def on_train_batch_end(self, batch, logs=None):
            seen.append((batch, logs["loss"]))

    results, all_seen = [], []
    for steps in (1, group):
        seen = []
        addax.utils.set_random_seed(3)
        model = compiled(metrics=["mae"], steps_per_execution=steps)
        # 50 samples: seven batches, the last of two.
        history = model.fit(
            X, REAL, batch_size=8, epochs=2, shuffle=shuffle, verbose=0, callbacks=[Seen()], validation_data=(X, REAL)
        ).history
        results.append((history, model.evaluate(X, REAL, batch_size=8, verbose=0), model.get_weights()))
        all_seen.append(seen)
    (history, scores, weights), (history2, scores2, weights2) = results
    assert history == history2 and scores == scores2
    for a, b in zip(weights, weights2, strict=True):
        np.testing.assert_array_equal(a, b)
    ends = [x for x in all_seen[0] if isinstance(x, tuple)]
    firsts = list(range(0, 7, group))
    expected = [x for first in firsts for x in (first, ends[min(first + group, 7) - 1])]
    assert all_seen[1][: len(expected)] == expected


class SeesBatches(addax.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(batch)

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(batch)


class ListThatSeesBatches(addax.callbacks.CallbackList):
    seen = ()

    def on_train_batch_end(self, batch, logs=None):
        self.seen += (batch,)

    def on_test_batch_begin(self, batch, logs=None):
        self.seen += (batch,)


@pytest.mark.skipif(addax.config.run_functions_eagerly(), reason="eager steps go one by one")
@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_steps_that_nobody_sees_go_together(monkeypatch, shuffle):
    """With the bits of steps that go one by one; the first step of all finds the plan."""
    results, gathered = [], []
    take_rows = addax.engine.take_rows
    monkeypatch.setattr(addax.engine, "take_rows", lambda *args: gathered.append(args[2]) or take_rows(*args))
    for callbacks in ([], [SeesBatches()]):
        gathered.clear()
        addax.utils.set_random_seed(3)
        model = compiled(metrics=["mae"])
        history = model.fit(X, REAL, batch_size=8, epochs=2, shuffle=shuffle, verbose=0, callbacks=callbacks).history
        assert gathered == (list(range(0, 50, 8)) * 2 if callbacks else [0, 8, 48, 0, 48])
        gathered.clear()
        scores = model.evaluate(X, REAL, batch_size=8, verbose=0, callbacks=callbacks)
        assert gathered == (list(range(0, 50, 8)) if callbacks else [0, 8, 48])
        results.append((history, scores, model.get_weights()))
    (history, scores, weights), (history2, scores2, weights2) = results
    assert history == history2 and scores == scores2
    for a, b in zip(weights, weights2, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_step_may_return_nothing():
    class Silent(addax.Sequential):
        def train_step(self, data):
            super().train_step(data)

        def test_step(self, data):
            super().test_step(data)

    model = Silent([addax.layers.Dense(3)])
    model.compile("sgd", "mse")
    history = model.fit(X, REAL, batch_size=10, epochs=3, verbose=0).history
    assert int(model.optimizer.iterations) == 15
    assert len(history["loss"]) == 3
    assert model.evaluate(X, REAL, batch_size=10, verbose=0) > 0


@pytest.mark.skipif(addax.config.run_functions_eagerly(), reason="eager steps go one by one")
def test_as_many_steps_go_together_as_the_largest_batch_allows(monkeypatch):
    gathered = []
    take_rows = addax.engine.take_rows
    monkeypatch.setattr(addax.engine, "take_rows", lambda *args: gathered.append(args[2]) or take_rows(*args))
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2 * 4096 + 1, 256), "float32"), np.zeros((2 * 4096 + 1, 1), "float32")
    model = addax.Sequential([addax.layers.Dense(256), addax.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(x, y, batch_size=4096, epochs=2, verbose=0)
    assert gathered == [0, 4096, 8192] * 2
    assert CompiledFunction(lambda x: x).runs_at_once() == 1


def test_every_batch_that_somebody_sees_is_seen():
    model = compiled()
    for callbacks, after_training in ((SeesBatches(), SeesBatches()), (ListThatSeesBatches(), ListThatSeesBatches())):
        model.fit(X, REAL, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
        assert list(callbacks.seen) == [*range(7), *range(7)]
        model.evaluate(X, REAL, batch_size=8, verbose=0, callbacks=after_training)
        assert list(after_training.seen) == list(range(7))


def test_eager_steps_can_stop_training():
    class Stops(addax.Sequential):
        def train_step(self, data):
            self.stop_training = True
            return super().train_step(data)

    model = Stops([addax.layers.Dense(3)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.fit(X, REAL, batch_size=10, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == 1


@pytest.mark.skipif(addax.config.run_functions_eagerly(), reason="eager steps go one by one")
def test_a_group_of_steps_is_one_native_call(monkeypatch):
    gathered = []
    take_rows = addax.engine.take_rows
    monkeypatch.setattr(addax.engine, "take_rows", lambda *args: gathered.append(args[2:]) or take_rows(*args))
    compiled(steps_per_execution=5).fit(X, REAL, batch_size=5, verbose=0)
    # Python sees the first batch of a group, which finds the plan, and not the four others.
    assert gathered == [(0, 5), (25, 30)]


def test_groups_of_steps_of_other_data_go_one_by_one():
    results = []
    for steps in (1, 3):
        addax.utils.set_random_seed(3)
        model = compiled(steps_per_execution=steps)
        model.fit(X, REAL, batch_size=8, steps_per_epoch=4, epochs=3, verbose=0)
        model.fit(((X[i : i + 8], REAL[i : i + 8]) for i in range(0, 40, 8)), verbose=0)
        results.append(model.get_weights())
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_run_out_of_data():
    def batches(n=3):
        for _ in range(n):
            yield X, REAL

    model = compiled()
    assert model.fit(batches(), verbose=0).params["steps"] is None
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(batches(), epochs=3, verbose=0)
    assert history.epoch == [0]
    with pytest.warns(UserWarning, match="ran out of data"):
        history = model.fit(batches(), epochs=3, steps_per_epoch=2, verbose=0)
    assert history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="validation data ran out"):
        history = model.fit(X, REAL, epochs=3, validation_data=batches(), verbose=0)
    assert len(history.history["val_loss"]) == 1
    history = model.fit(batches(6), epochs=3, steps_per_epoch=2, verbose=0)
    assert history.epoch == [0, 1, 2]


def test_arrays_start_again_for_more_steps():
    model = compiled()
    model.fit(X, REAL, batch_size=20, steps_per_epoch=5, epochs=2, verbose=0)
    assert int(model.optimizer.iterations) == 10


def test_limits_of_the_configuration():
    model = compiled()
    try:
        addax.config.set_max_epochs(2)
        addax.config.set_max_steps_per_epoch(3)
        history = model.fit(X, REAL, batch_size=5, epochs=9, verbose=0)
    finally:
        addax.config.set_max_epochs(None)
        addax.config.set_max_steps_per_epoch(None)
    assert history.epoch == [0, 1]
    assert int(model.optimizer.iterations) == 6


def test_epochs_zero():
    model = compiled()
    before = model.get_weights()
    history = model.fit(X, REAL, epochs=0, verbose=0)
    assert history.epoch == [] and history.history == {}
    np.testing.assert_array_equal(model.get_weights()[0], before[0])


def test_stop_training_in_the_middle_of_an_epoch():
    class Stop(addax.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    model = compiled()
    history = model.fit(X, REAL, batch_size=5, epochs=3, verbose=0, callbacks=[Stop()])
    assert history.epoch == [0]
    assert int(model.optimizer.iterations) == 3


def test_compile_config_round_trip():
    model = compiled(metrics=["accuracy"], loss_weights=[0.5], optimizer=addax.optimizers.SGD(0.25, momentum=0.5))
    config = model.get_compile_config()
    again = mlp(addax)
    again.compile_from_config(config)
    assert again.optimizer.get_config() == model.optimizer.get_config()
    assert again.optimizer.built
    assert again.loss == "mse"
    again.set_weights(model.get_weights())
    assert again.evaluate(X, REAL, verbose=0) == model.evaluate(X, REAL, verbose=0)
    assert mlp(addax).get_compile_config() is None


def test_compiling_again_starts_metrics_afresh():
    model = compiled(metrics=["mae"])
    model.fit(X, REAL, verbose=0)
    model.compile("sgd", "mse", metrics=["mse"])
    assert list(model.fit(X, REAL, verbose=0).history) == ["loss", "mse"]


def test_low_precision_training_keeps_loss_and_metrics_in_float32():
    policy = addax.config.dtype_policy()
    try:
        addax.config.set_dtype_policy("mixed_bfloat16")
        model = mlp(addax, 3, "softmax")
    finally:
        addax.config.set_dtype_policy(policy)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(X, NUMBERS, epochs=5, verbose=0)
    assert model(X).dtype == "bfloat16"
    assert {v.dtype for m in model.metrics for v in m.variables} == {"float32"}
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert history.history["loss"][-1] < history.history["loss"][0]


def test_fit_in_another_thread():
    model = compiled()
    results = []
    thread = threading.Thread(target=lambda: results.append(model.fit(X, REAL, verbose=0)))
    thread.start()
    thread.join()
    assert len(results[0].epoch) == 1


# -- messages


def generator():
    yield X, REAL


ERRORS = {
    "not compiled fit": (lambda m: mlp(addax).fit(X, REAL), r"You must call `compile\(\)` before using.*`fit\(\)`"),
    "not compiled evaluate": (lambda m: mlp(addax).evaluate(X, REAL), r"You must call `compile\(\)`"),
    "not compiled batch": (lambda m: mlp(addax).train_on_batch(X, REAL), r"You must call `compile\(\)`"),
    "sizes": (lambda m: m.fit(X, REAL[:49]), r"same number of samples.\n'x' sizes: 50\n'y' sizes: 49"),
    "weights": (lambda m: m.fit(X, REAL, sample_weight=WEIGHTS[:5]), "'sample_weight' sizes: 5"),
    "no x": (lambda m: m.fit(None, REAL), "`x` is None: expected arrays, a PyDataset or an iterable of batches"),
    "no y": (lambda m: m.fit(X), "need targets. Received: y=None"),
    "strings": (lambda m: m.fit(X.astype("U"), REAL), r"`x` must hold numbers. Received dtype <U\d+ .*astype"),
    "objects": (lambda m: m.fit(np.array([["a"]] * 50, dtype=object), REAL), "`x` must hold numbers.*dtype object"),
    "lists": (
        lambda m: m.fit(X.tolist(), REAL.tolist()),
        r"Unrecognized data type: x=.*pass a NumPy array, np.array\(x",
    ),
    "string": (lambda m: m.fit("data.csv", REAL), "Unrecognized data type: x='data.csv'"),
    "number": (lambda m: m.fit(3, REAL), "Unrecognized data type: x=3"),
    "targets": (lambda m: m.fit(X, "abc"), "Unrecognized data type: y='abc'"),
    "empty": (lambda m: m.fit(X[:0], REAL[:0]), "fit: there are no samples to train on"),
    "empty evaluate": (lambda m: m.evaluate(X[:0], REAL[:0]), "evaluate: there are no samples to evaluate"),
    "batch size": (lambda m: m.fit(X, REAL, batch_size=0), "`batch_size` must be an integer of at least 1.*=0"),
    "shuffle": (lambda m: m.fit(X, REAL, shuffle="often"), "`shuffle` must be True, False or 'batch'.*'often'"),
    "verbose": (lambda m: m.fit(X, REAL, verbose=3), "`verbose` must be 'auto', 0, 1 or 2. Received: verbose=3"),
    "split": (lambda m: m.fit(X, REAL, validation_split=1.5), "must be between 0 and 1.*validation_split=1.5"),
    "small split": (
        lambda m: m.fit(X[:1], REAL[:1], validation_split=0.5),
        "contains 1 samples, which is not sufficient to split it.*`validation_split=0.5`",
    ),
    "split of a generator": (
        lambda m: m.fit(generator(), validation_split=0.5),
        "`validation_split` is only supported for tensors or NumPy arrays.*generator",
    ),
    "validation_data": (
        lambda m: m.fit(X, REAL, validation_data=(X, REAL, WEIGHTS, 3)),
        "expected to be in format `x`",
    ),
    "validation_freq": (lambda m: m.fit(X, REAL, validation_freq=0), "`validation_freq` must be at least 1"),
    "validation_freq kind": (
        lambda m: m.fit(X, REAL, validation_freq="a"),
        "Expected `validation_freq` to be a list or",
    ),
    "steps": (lambda m: m.fit(X, REAL, steps_per_epoch=0), "number of steps must be an integer of at least 1"),
    "both weights": (
        lambda m: m.fit(X, REAL, class_weight={0: 1.0}, sample_weight=WEIGHTS),
        "cannot `class_weight` and `sample_weight` at the same time",
    ),
    "both weights of a batch": (
        lambda m: m.train_on_batch(X, REAL, class_weight={0: 1.0}, sample_weight=WEIGHTS),
        "`sample_weight` and `class_weight` cannot be specified at the same time",
    ),
    "class weight shape": (
        lambda m: m.fit(X, np.zeros((50, 2, 3)), class_weight={0: 1.0}),
        r"one class a sample.*y of shape \(50, 2, 3\)",
    ),
    "generator and y": (lambda m: m.fit(generator(), REAL), "as a generator, `y` should not be passed"),
    "generator and weights": (
        lambda m: m.fit(generator(), sample_weight=WEIGHTS),
        "as a generator, `sample_weights` should not be passed",
    ),
    "empty generator": (lambda m: m.fit(iter([])), "must yield at least one batch"),
    "not a tuple": (lambda m: m.fit(x for x in [X]), r"generator must return a tuple, either \(input,\) or"),
    "evaluate arguments": (
        lambda m: m.evaluate(X, REAL, sample_weights=WEIGHTS),
        r"Arguments not recognized: .*weights",
    ),
    "batch sizes": (lambda m: m.train_on_batch(X, REAL[:3]), "'x' sizes: 50\n'y' sizes: 3"),
    "steps_per_execution": (
        lambda m: m.compile(steps_per_execution=0),
        "`steps_per_execution` must be an integer of at",
    ),
    "loss name": (lambda m: m.compile("sgd", "mean_cubed_error"), "Could not interpret loss identifier"),
    "metric name": (lambda m: m.compile("sgd", "mse", metrics=["foo"]), "Could not interpret metric identifier: 'foo'"),
    "metrics": (
        lambda m: m.compile("sgd", "mse", metrics="mae"),
        "Expected `metrics` argument to be a list, tuple, or",
    ),
    "loss_weights": (
        lambda m: m.compile("sgd", "mse", loss_weights="a"),
        "Expected `loss_weights` argument to be a float",
    ),
    "optimizer": (lambda m: m.compile("sgdd"), "Could not interpret optimizer identifier"),
    "scalar": (lambda m: m.fit(np.float32(3), REAL), r"must have a first axis, the samples"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors_teach(case):
    call, message = ERRORS[case]
    with pytest.raises(ValueError, match=f"(?s){message}"):
        call(compiled())


def test_no_loss():
    model = mlp(addax)
    model.compile("sgd", metrics=["mae"])
    assert model.evaluate(X, REAL, verbose=0)[0] == 0.0
    with pytest.raises(ValueError, match=r"No loss to compute. Provide a `loss` argument in `compile\(\)`"):
        model.fit(X, REAL, verbose=0)


def test_no_trainable_weights():
    model = compiled()
    model.trainable = False
    with pytest.warns(UserWarning, match="does not have any trainable weights"):
        model.fit(X, REAL, batch_size=50, verbose=0)


OUTPUT_ERRORS = {
    "too many losses": ({"loss": ["mse"] * 3}, KeyError, r"The path: \(2,\) in the `loss` argument"),
    "unknown output": ({"loss": {"a": "mse"}}, KeyError, "`loss` argument, can't be found"),
    "weights": ({"loss": ["mse", "mae"], "loss_weights": [1.0]}, ValueError, "got 2 losses and 1 weights"),
    "one weight": ({"loss": ["mse", "mae"], "loss_weights": 2.0}, ValueError, "must be a list or dict with one number"),
    "metrics": ({"loss": "mse", "metrics": ["mae"]}, ValueError, "Invalid `metrics`.*outputs are"),
    "metrics by name": ({"loss": "mse", "metrics": {"z": "mae"}}, ValueError, "Invalid `metrics`"),
    "no losses": ({"loss": [None, None]}, ValueError, "names no loss"),
}


@pytest.mark.parametrize("case", OUTPUT_ERRORS)
def test_errors_with_several_outputs(case):
    from tests.trainers.helpers import two_outputs

    arguments, error, message = OUTPUT_ERRORS[case]
    model = two_outputs(addax, lambda a, b: [a, b])
    model.compile("sgd", **arguments)
    with pytest.raises(error, match=f"(?s){message}"):
        model.fit(X, [REAL, BINARY], verbose=0)


def test_targets_for_fewer_outputs():
    from tests.trainers.helpers import two_outputs

    model = two_outputs(addax, lambda a, b: [a, b])
    model.compile("sgd", "mse")
    with pytest.raises(
        ValueError, match=r"(?s)y_true and y_pred have different structures.*No target for the output at"
    ):
        model.fit(X, [REAL], verbose=0)


def test_wrong_callbacks():
    with pytest.raises(TypeError, match=r"`callbacks` must be a Callback or a list of them. Received: 3"):
        compiled().fit(X, REAL, verbose=0, callbacks=[3])


def test_custom_compile_is_not_restored_silently():
    class Own(addax.Sequential):
        def compile(self, extra=None, **kwargs):
            super().compile(**kwargs)

    model = Own([addax.layers.Dense(1)])
    model.compile(loss="mse")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Own([addax.layers.Dense(1)]).compile_from_config(model.get_compile_config())
    assert "`compile()` was not called as part of model loading" in str(caught[0].message)
