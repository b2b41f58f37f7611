"""The input side: batches of sources are drawn while the step before runs, and nobody can tell but by the clock."""

import gc
import itertools
import os
import random
import subprocess
import sys
import textwrap
import threading
import time
import traceback

import numpy as np
import pytest

import addax
from addax.compiled import CompiledFunction
from tests.trainers.helpers import compile_eagerly

rng = np.random.default_rng(0)
X = rng.normal(size=(64, 256)).astype("float32")
Y = rng.normal(size=(64, 1)).astype("float32")


def wide(cls=addax.Sequential, units=256, **kwargs):
    """A model whose steps are long enough to go on beside a source."""
    addax.utils.set_random_seed(1)
    model = cls(
        [
            addax.layers.Input((256,)),
            addax.layers.Dense(units, activation="tanh"),
            addax.layers.Dropout(0.1),
            addax.layers.Dense(1),
        ]
    )
    model.compile("adam", "mse", **kwargs)
    return model


def batches(count=None):
    for i in itertools.count() if count is None else range(count):
        yield X + i, Y


def assert_same_weights(a, b):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


class Log(addax.callbacks.Callback):
    def __init__(self, log):
        super().__init__()
        self.log = log

    def on_train_batch_end(self, batch, logs=None):
        self.log.append(f"end {batch}")

    def on_epoch_begin(self, epoch, logs=None):
        self.log.append(f"epoch {epoch}")


def logged(log, source):
    for i, batch in enumerate(source):
        log.append(f"draw {i}")
        yield batch


@pytest.mark.parametrize("eagerly", [False, True])
def test_the_next_batch_is_drawn_before_a_step_is_told_to_have_ended(eagerly):
    log = []
    wide(run_eagerly=eagerly).fit(logged(log, batches(3)), verbose=0, callbacks=[Log(log)])
    assert log == ["draw 0", "epoch 0", "draw 1", "end 0", "draw 2", "end 1", "end 2"]


def test_a_source_is_asked_for_no_batch_too_many():
    source = batches()
    wide().fit(source, steps_per_epoch=3, epochs=2, verbose=0)
    assert next(source)[0][0, 0] == X[0, 0] + 6
    log = []
    source = logged(log, batches())
    model = wide(steps_per_execution=2)
    model.fit(source, steps_per_epoch=3, epochs=2, verbose=0, callbacks=[Log(log)])
    assert [line for line in log if line.startswith("draw")] == [f"draw {i}" for i in range(6)]
    model.evaluate(source, steps=2, verbose=0)
    model.predict(source, steps=2, verbose=0)
    assert log[-1] == "draw 9"


@pytest.mark.parametrize("group", [1, 3])
def test_every_batch_is_trained_on_once_and_in_order(group):
    model, single = wide(steps_per_execution=group), wide()
    model.fit(batches(), steps_per_epoch=4, epochs=3, verbose=0)
    for batch in batches(12):
        single.train_on_batch(*batch)
    assert_same_weights(model, single)


@pytest.mark.skipif(addax.config.run_functions_eagerly(), reason="eager steps hold Python's lock")
def test_drawing_and_training_overlap():
    """While a source waits on Python's thread, other threads compute the step before."""

    def of_others():
        return time.process_time() - time.thread_time()

    computed = []

    def waiting():
        for batch in batches(6):
            before, spent, deadline = of_others(), 0.0, time.monotonic() + 20
            while spent < 0.002 and len(computed) > 0 and time.monotonic() < deadline:
                time.sleep(0.001)
                spent = max(spent, of_others() - before)
            computed.append(spent)
            yield batch

    model = wide(units=16384)
    model.fit(batches(3), verbose=0)
    model.fit(waiting(), verbose=0)
    assert min(computed[1:]) >= 0.002  # seconds of processors' time; a step takes several times as long


def test_a_source_sees_the_weights_after_the_step():
    model = wide()
    ended, seen = [], []

    class Weights(addax.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            ended.append((int(model.optimizer.iterations), model.get_weights()))

    def source():
        for batch in batches(5):
            yield batch
            seen.append((int(model.optimizer.iterations), model.get_weights()))

    model.fit(source(), verbose=0, callbacks=[Weights()])
    assert [steps for steps, _ in seen] == [1, 2, 3, 4, 5]
    for (_, a), (_, b) in zip(ended, seen, strict=True):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_source_may_assign_variables_and_run_models():
    def train(loop):
        model, other = wide(), wide()

        def source():
            for x, y in batches(4):
                yield x, y + model.predict(x[:4], verbose=0)[:1]
                model.layers[0].bias.assign(model.layers[0].bias * 0.5)
                other.fit(batches(2), verbose=0)

        loop(model, source())
        return model, other

    def by_hand(model, source):
        for batch in source:
            model.train_on_batch(*batch)

    for a, b in zip(train(lambda model, source: model.fit(source, verbose=0)), train(by_hand), strict=True):
        assert_same_weights(a, b)


class Noisy(addax.Sequential):
    def train_step(self, data):
        x, y = data
        return super().train_step((x + addax.random.normal(x.shape), y))


@pytest.mark.parametrize("compile_model", [addax.Model.compile, compile_eagerly])
def test_random_numbers_are_drawn_in_one_order(compile_model):
    """Of a source and of a step that share the global generator."""

    def source():
        for _ in range(5):
            noise = addax.random.normal((64, 256)).numpy() + np.random.normal() + random.random()
            drawn.append(noise)
            yield X + noise, Y

    drawn = []
    by_hand = wide(Noisy)
    for batch in source():
        by_hand.train_on_batch(*batch)
    expected, drawn = drawn, []
    model = wide(Noisy)
    compile_model(model, "adam", "mse")
    model.fit(source(), shuffle=False, verbose=0)  # a shuffle would draw its seed from the same `random`
    np.testing.assert_array_equal(drawn, expected)
    assert_same_weights(model, by_hand)


def test_sources_run_in_the_thread_that_trains():
    threads = []

    class Data(addax.utils.PyDataset):
        num_batches = 3

        def __getitem__(self, index):
            threads.append(threading.get_ident())
            return X, Y

    def source():
        for batch in batches(3):
            threads.append(threading.get_ident())
            yield batch

    wide().fit(Data(), validation_data=source(), verbose=0)
    assert set(threads) == {threading.get_ident()}


@pytest.mark.parametrize("kind", [np.asarray, addax.ops.convert_to_tensor])
def test_a_source_may_use_its_arrays_again(kind):
    def source(again):
        x = np.empty_like(X)
        for i in range(5):
            x = x if again else np.empty_like(X)
            x[:] = X + i
            yield kind(x), Y

    for group in (1, 2):
        models = []
        for again in (False, True):
            models.append(wide(steps_per_execution=group))
            models[-1].fit(source(again), verbose=0)
        assert_same_weights(*models)


@pytest.mark.parametrize("eagerly", [False, True])
def test_errors_of_a_source_come_after_the_step_before(eagerly):
    error = OSError("disk gone")

    def source():
        yield from batches(2)
        read_the_disk()

    def read_the_disk():
        raise error

    log = []
    model = wide(run_eagerly=eagerly)
    with pytest.raises(OSError, match="disk gone") as caught:
        model.fit(source(), verbose=0, callbacks=[Log(log)])
    assert caught.value is error
    assert [frame.name for frame in traceback.extract_tb(error.__traceback__)][-2:] == ["source", "read_the_disk"]
    assert log == ["epoch 0", "end 0", "end 1"]
    model.fit(batches(2), verbose=0)
    assert int(model.optimizer.iterations) == 4


def test_interrupt_in_a_source_lets_the_step_end():
    def source():
        yield from batches(3)
        raise KeyboardInterrupt

    model, whole = wide(), wide()
    with pytest.raises(KeyboardInterrupt):
        model.fit(source(), verbose=0)
    whole.fit(batches(3), verbose=0)
    assert int(model.optimizer.iterations) == 3
    assert_same_weights(model, whole)


def test_errors_of_kernels_arrive():
    model = addax.Sequential([addax.layers.Input((64,), dtype="int32"), addax.layers.Embedding(10, 256)])
    model.compile("sgd", "mse")
    target = np.zeros((64, 64, 256), "float32")

    def source():
        yield np.zeros((64, 64), "int32"), target
        yield np.full((64, 64), 99, "int32"), target
        yield np.zeros((64, 64), "int32"), target

    with pytest.raises(IndexError, match="99"):
        model.fit(source(), verbose=0)
    model.fit(np.zeros((64, 64), "int32"), target, verbose=0)


def test_training_in_several_threads():
    """One of them has the helper, the others run their steps themselves."""
    models = [wide() for _ in range(3)]
    threads = [threading.Thread(target=lambda m=m: m.fit(batches(10), verbose=0)) for m in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {int(m.optimizer.iterations) for m in models} == {10}
    assert np.isfinite(models[0].predict(X, verbose=0)).all()


@pytest.mark.skipif(addax.config.run_functions_eagerly(), reason="eager steps are not one step")
@pytest.mark.parametrize("group", [1, 8])
def test_threads_predict_while_the_model_trains(group):
    """What they see is the model between two steps: all its weights are then powers of one number."""
    model = addax.Sequential([addax.layers.Input((1,)), addax.layers.Dense(20_000, use_bias=False)])
    model.layers[-1].kernel.assign(addax.ops.ones((1, 20_000)))
    # The mean of the outputs has the same gradient for each: -1 / 20000.
    model.compile(addax.optimizers.SGD(20_000.0), lambda y, p: addax.ops.mean(-p), steps_per_execution=group)
    x, y = np.ones((16, 1), "float32"), np.zeros((16, 1), "float32")
    model.fit(x, y, batch_size=1, verbose=0)
    stop, wrong, seen = threading.Event(), [], set()

    def predict():
        while not stop.is_set():
            values = model(x[:1]).numpy() if len(seen) % 2 else model.predict(x[:1], verbose=0)
            wrong.extend(values[values != values[0, 0]])
            seen.add(float(values[0, 0]))

    threads = [threading.Thread(target=predict) for _ in range(3)]
    for thread in threads:
        thread.start()
    callbacks = [addax.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)] if group == 1 else []
    fits, deadline = 0, time.monotonic() + 60
    while fits < 40 or (len(seen) <= 3 and time.monotonic() < deadline):  # one processor may be all there is
        model.fit(x, y, batch_size=1, verbose=0, callbacks=callbacks)
        fits += 1
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(seen) > 3
    assert int(model.optimizer.iterations) == (1 + fits) * 16


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_source_may_fork():
    """A fork waits for the step; the child has a helper of its own when it needs one."""
    script = """
        import os
        import numpy as np, addax
        model = addax.Sequential([addax.layers.Input((256,)), addax.layers.Dense(512), addax.layers.Dense(1)])
        model.compile("sgd", "mse")
        x, y = np.ones((64, 256), "float32"), np.ones((64, 1), "float32")
        def source(fork):
            for _ in range(10):
                yield x, y
                if fork and os.fork() == 0:
                    steps = int(model.optimizer.iterations)
                    model.fit(source(False), verbose=0)
                    os._exit(0 if int(model.optimizer.iterations) == steps + 10 else 1)
        model.fit(source(True), verbose=0)
        assert all(os.waitstatus_to_exitcode(os.wait()[1]) == 0 for _ in range(10))
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_fork_while_another_thread_trains():
    """The child finds the model between two steps, in as many threads as it likes."""
    script = """
        import os, sys, threading, time
        import numpy as np, addax
        model = addax.Sequential([addax.layers.Input((256,)), addax.layers.Dense(512), addax.layers.Dense(1)])
        model.compile(addax.optimizers.SGD(1e-5), "mse")
        x, y = np.ones((640, 256), "float32"), np.ones((640, 1), "float32")
        model.fit(x, y, verbose=0)
        stop = threading.Event()
        def train():
            while not stop.is_set():
                model.fit(x, y, verbose=0)
        trainer = threading.Thread(target=train)
        trainer.start()
        def child():
            done = []
            threads = [threading.Thread(target=lambda: done.append(model.predict(x[:3], verbose=0))) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            os._exit(0 if len(done) == 4 and np.isfinite(done).all() and (np.array(done) == done[0]).all() else 1)
        codes = []
        for _ in range(10):
            time.sleep(0.01)
            process = os.fork()
            if process == 0:
                child()
            codes.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
        stop.set()
        trainer.join()
        assert codes == [0] * 10, codes
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, timeout=60)


def test_run_beside_within_a_tape_or_a_trace():
    done = []
    step = CompiledFunction(lambda x: addax.ops.sum(x * x))
    x = addax.ops.ones((3,))
    with addax.GradientTape() as tape:
        tape.watch(x)
        y = step.run_beside(x, lambda: done.append(1))
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [2, 2, 2])
    assert float(step.run_beside(x, lambda: done.append(2))) == 3
    assert done == [1, 2]


def resident_bytes():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_soak():
    """Sources of all kinds, ended in all ways, leave no threads, files, tensors or memory behind."""

    class Data(addax.utils.PyDataset):
        num_batches = 4

        def __getitem__(self, index):
            if index == self.fails_at:
                raise OSError("disk gone")
            return X, Y

    class Stop(addax.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 2

    class Interrupt(addax.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise KeyboardInterrupt

    def failing():
        yield from batches(2)
        raise OSError("disk gone")

    model = wide()

    def round():
        for _ in range(5):
            model.fit(batches(4), verbose=0, validation_data=batches(2))
            model.fit(batches(), steps_per_epoch=2, epochs=3, verbose=0, callbacks=[Stop()])
            for source in (failing(), data(2), data(2, workers=2)):
                with pytest.raises(OSError):
                    model.fit(source, verbose=0)
            for source in (batches(), data(workers=2)):
                with pytest.raises(KeyboardInterrupt):
                    model.fit(source, verbose=0, callbacks=[Interrupt()])
            model.evaluate(data(), verbose=0)
            model.predict(batches(3), verbose=0)
        gc.collect()
        tasks, files = len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd"))
        return tasks, files, addax.engine.memory_stats()["live"], len(gc.get_objects()), resident_bytes()

    def data(fails_at=None, **settings):
        made = Data(**settings)
        made.fails_at = fails_at
        return made

    for _ in range(3):
        before = round()
    for _ in range(4):
        after = round()
    assert after[:3] == before[:3]
    assert after[3] <= before[3] + 20
    assert after[4] <= before[4] + (2 << 20)
