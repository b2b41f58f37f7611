"""Callbacks: when they are called, what they see, and what each does; against Keras on JAX where numbers decide."""

import io
import os
from unittest import mock

import keras
import numpy as np
import pytest

import addax
from addax import callbacks
from addax.callbacks import CallbackList
from tests.trainers.helpers import REAL, X, compile_eagerly, mlp, pair

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # stock Keras and NumPy 2


def compiled(**kwargs):
    model = mlp(addax)
    model.compile("sgd", "mse", **kwargs)
    return model


def logging_callback(base):
    """A callback that notes every call, and the names and types of what it is given."""

    class Recorder(base):
        def __init__(self):
            super().__init__()
            self.calls = []

    def note(name):
        def hook(self, *args, logs=None):
            if len(args) == 2 or (args and isinstance(args[-1], dict)):
                *args, logs = args
            shown = {k: type(v).__name__ for k, v in logs.items()} if logs is not None else None
            self.calls.append((name, *args, shown))

        return hook

    for kind in ("epoch", "train", "test", "predict", "train_batch", "test_batch", "predict_batch"):
        for when in ("begin", "end"):
            setattr(Recorder, f"on_{kind}_{when}", note(f"on_{kind}_{when}"))
    return Recorder()


def test_hooks_are_called_as_in_keras():
    recorders = []
    for base, model in zip((callbacks.Callback, keras.callbacks.Callback), pair(mlp), strict=True):
        compile_eagerly(model, "sgd", "mse", metrics=["mae"])
        recorder = logging_callback(base)
        arguments = {"batch_size": 30, "verbose": 0, "callbacks": [recorder]}
        model.fit(X, REAL, epochs=2, validation_data=(X, REAL), **arguments)
        model.evaluate(X, REAL, **arguments)
        model.predict(X, **arguments)
        recorders.append(recorder)
    assert recorders[0].calls == recorders[1].calls
    assert recorders[0].params == recorders[1].params


def test_methods_replaced_on_the_instance_are_called():
    seen = []
    callback = callbacks.Callback()
    callback.on_epoch_end = lambda epoch, logs=None: seen.append("epoch")
    callback.on_train_batch_end = lambda batch, logs=None: seen.append(batch)
    compiled().fit(X, REAL, verbose=0, callbacks=[callback])
    assert seen == [0, 1, "epoch"]


def test_hooks_that_nobody_overrides_are_not_called():
    with mock.patch.object(callbacks.callback_list, "pythonify_logs", side_effect=AssertionError):
        CallbackList([callbacks.Callback(), callbacks.EarlyStopping()]).on_train_batch_end(0, {"loss": object()})


def test_an_error_in_a_callback_passes_through():
    class Pruned(Exception):
        pass

    def stop(epoch, logs):
        raise Pruned

    with pytest.raises(Pruned):
        compiled().fit(X, REAL, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=stop)])


def test_callback_list():
    history = callbacks.History()
    both = CallbackList([history], add_history=True, add_progbar=True, model=compiled(), verbose=0, epochs=1, steps=1)
    assert [type(c) for c in both.callbacks] == [callbacks.History, callbacks.ProgbarLogger]
    assert both.callbacks[0] is history
    both.append(callbacks.Callback())
    assert len(both.callbacks) == 3


def test_callbacks_share_the_logs_of_an_epoch():
    add = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: logs.update(extra=epoch))
    history = compiled().fit(X, REAL, epochs=2, verbose=0, callbacks=[add])
    assert history.history["extra"] == [0, 1]


def test_history():
    model = compiled()
    history = model.fit(X, REAL, epochs=2, verbose=0)
    assert model.history is history
    assert history.model is model
    assert history.params == {"verbose": 0, "epochs": 2, "steps": 2}
    assert all(type(v) is float for v in history.history["loss"])


def test_lambda_callback_takes_any_hook():
    seen = []
    callback = callbacks.LambdaCallback(
        on_train_begin=lambda logs: seen.append("begin"), on_test_end=lambda logs: seen.append(sorted(logs))
    )
    compiled().fit(X, REAL, verbose=0, validation_data=(X, REAL), callbacks=[callback])
    assert seen == ["begin", ["loss"]]


# -- callbacks that watch a value, on given logs


class Stub:
    """What such a callback needs of a model."""

    def __init__(self, module):
        self.metrics = []
        self.weights = []
        self.stop_training = False
        self.optimizer = module.optimizers.SGD(0.5)

    def get_weights(self):
        return []

    def set_weights(self, weights):
        pass


def drive(module, name, values, kwargs):
    """Shows a callback a value an epoch; returns the epoch it stopped at, its state, and the learning rates."""
    callback = getattr(module.callbacks, name)(**kwargs)
    model = Stub(module)
    callback.set_model(model)
    callback.on_train_begin()
    rates = []
    for epoch, value in enumerate(values):
        logs = {"val_loss": value, "val_accuracy": value}
        callback.on_epoch_end(epoch, logs)
        rates.append(round(float(model.optimizer.learning_rate), 7))
        if model.stop_training:
            break
    callback.on_train_end()
    state = {k: getattr(callback, k, None) for k in ("wait", "best", "stopped_epoch", "best_epoch", "cooldown_counter")}
    return epoch, state, rates, logs


VALUES = [
    [5.0, 4.0, 3.0, 3.5, 3.4, 3.3, 2.9, 3.0, 3.0, 3.0, 3.0, 3.0],
    [1.0, 2.0, 3.0, 2.5, 4.0, 4.0, 4.0, 4.0, 4.0, 5.0, 5.0, 5.0],
    [1.0, 0.99, 0.98, 0.97, 0.96, 0.95, 0.94, 0.93, 0.92],
    [float("nan"), 2.0, 1.0, float("nan"), 1.5, 0.5],
]
STOPPING = [
    {},
    {"patience": 2},
    {"patience": 2, "min_delta": 0.05},
    {"patience": 1, "mode": "max"},
    {"patience": 3, "mode": "max", "monitor": "val_accuracy"},
    {"patience": 2, "baseline": 3.2},
    {"patience": 2, "baseline": 0.1, "restore_best_weights": True},
    {"patience": 1, "start_from_epoch": 4},
    {"patience": 1, "start_from_epoch": 2, "restore_best_weights": True},
    {"mode": "min", "min_delta": -0.5},
]


@pytest.mark.parametrize("kwargs", STOPPING, ids=str)
@pytest.mark.parametrize("values", VALUES, ids=range(len(VALUES)))
def test_early_stopping_is_keras(kwargs, values):
    ours, theirs = (drive(module, "EarlyStopping", values, kwargs)[:2] for module in (addax, keras))
    assert repr(ours) == repr(theirs)


REDUCING = [
    {"patience": 1},
    {"patience": 2, "factor": 0.5},
    {"patience": 0, "cooldown": 2},
    {"patience": 1, "cooldown": 1, "min_lr": 0.1},
    {"patience": 1, "mode": "max", "min_delta": 0.5},
]


@pytest.mark.parametrize("kwargs", REDUCING, ids=str)
@pytest.mark.parametrize("values", VALUES[:3], ids=range(3))
def test_reduce_lr_on_plateau_is_keras(kwargs, values):
    ours, theirs = (drive(module, "ReduceLROnPlateau", values, kwargs) for module in (addax, keras))
    assert ours[:3] == theirs[:3]
    np.testing.assert_allclose(ours[3]["learning_rate"], theirs[3]["learning_rate"], rtol=1e-6)


def test_early_stopping_restores_the_weights_of_the_best_epoch(capsys):
    model = compiled()
    model.optimizer.learning_rate = 10.0  # diverges: the first epoch is the best
    weights = []
    keep = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    stop = callbacks.EarlyStopping(monitor="loss", patience=2, restore_best_weights=True, verbose=1)
    history = model.fit(X, REAL, epochs=20, verbose=0, callbacks=[keep, stop])
    best = int(np.argmin(history.history["loss"]))
    assert len(history.epoch) == best + 3
    for now, then in zip(model.get_weights(), weights[best], strict=True):
        np.testing.assert_array_equal(now, then)
    assert capsys.readouterr().out == (
        f"Epoch {best + 3}: early stopping\nRestoring model weights from the end of the best epoch: {best + 1}.\n"
    )


@pytest.mark.parametrize(
    ("metric", "monitor", "direction"),
    [
        ("mae", "val_mae", "min"),
        ("accuracy", "val_accuracy", "max"),
        ("acc", "acc", "max"),
        ("cosine_similarity", "val_cosine_similarity", "max"),
        ("mae", "loss", "min"),
    ],
)
def test_mode_auto_asks_the_metric(metric, monitor, direction):
    import operator

    stop = callbacks.EarlyStopping(monitor=monitor, patience=9)
    compiled(metrics=[metric]).fit(X, REAL, verbose=0, validation_data=(X, REAL), callbacks=[stop])
    assert stop.monitor_op is {"min": operator.lt, "max": operator.gt}[direction]


def test_mode_auto_that_cannot_know():
    def score(y_true, y_pred):
        return addax.ops.mean(y_pred, axis=-1)

    for monitor in ("score", "nope"):
        with pytest.raises(ValueError, match=f"EarlyStopping callback received monitor={monitor}.*Pass `mode='max'`"):
            compiled(metrics=[score]).fit(X, REAL, verbose=0, callbacks=[callbacks.EarlyStopping(monitor=monitor)])
    stop = callbacks.EarlyStopping(monitor="score", mode="max", patience=5)
    compiled(metrics=[score]).fit(X, REAL, verbose=0, callbacks=[stop])
    assert stop.best is not None
    with pytest.warns(UserWarning, match="EarlyStopping mode 'best' is unknown"):
        callbacks.EarlyStopping(mode="best")


def test_missing_values_warn_and_name_those_that_exist():
    stop = callbacks.EarlyStopping(monitor="val_loss")
    with pytest.warns(UserWarning, match="`val_loss` which is not available. Available metrics are: loss"):
        compiled().fit(X, REAL, verbose=0, callbacks=[stop])
    lower = callbacks.ReduceLROnPlateau()
    with pytest.warns(UserWarning, match="`val_loss` which is not available"):
        compiled().fit(X, REAL, verbose=0, callbacks=[lower])


# -- ModelCheckpoint


def test_checkpoints_of_epochs(tmp_path, capsys):
    model = compiled()
    path = str(tmp_path / "deep" / "{epoch:02d}-{val_loss:.2f}.keras")
    save = callbacks.ModelCheckpoint(path, verbose=1)
    history = model.fit(X, REAL, epochs=2, verbose=0, validation_data=(X, REAL), callbacks=[save])
    names = [f"{i + 1:02d}-{v:.2f}.keras" for i, v in enumerate(history.history["val_loss"])]
    assert sorted(os.listdir(tmp_path / "deep")) == names
    again = addax.models.load_model(tmp_path / "deep" / names[1])
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert int(again.optimizer.iterations) == 4
    assert f"\nEpoch 1: saving model to {tmp_path}/deep/{names[0]}\n" in capsys.readouterr().out


def test_checkpoints_of_the_best(tmp_path, capsys):
    path = tmp_path / "best.keras"
    save = callbacks.ModelCheckpoint(path, save_best_only=True, monitor="loss", verbose=1)
    model = compiled()
    save.set_model(model)
    for epoch, loss in enumerate([3.0, 4.0, 2.0]):
        save.on_epoch_begin(epoch)
        save.on_epoch_end(epoch, {"loss": loss})
    out = capsys.readouterr().out
    assert "Epoch 1: loss improved from None to 3.00000, saving model" in out
    assert "Epoch 2: loss did not improve from 3.00000" in out
    assert "Epoch 3: loss improved from 3.00000 to 2.00000" in out
    assert save.best == 2.0
    first = callbacks.ModelCheckpoint(path, save_best_only=True, monitor="loss", initial_value_threshold=1.0)
    first.set_model(model)
    os.remove(path)
    first.on_epoch_end(0, {"loss": 2.0})
    assert not path.exists()


def test_checkpoints_of_weights_and_batches(tmp_path):
    model = compiled()
    save = callbacks.ModelCheckpoint(tmp_path / "{epoch}-{batch}.weights.h5", save_weights_only=True, save_freq=3)
    model.fit(X, REAL, batch_size=10, epochs=2, verbose=0, callbacks=[save])
    assert sorted(os.listdir(tmp_path)) == ["1-3.weights.h5", "2-1.weights.h5", "2-4.weights.h5"]
    again = compiled()
    again.build((None, 4))
    again.load_weights(tmp_path / "2-4.weights.h5")


def test_a_checkpoint_interrupted_while_saving_keeps_the_last_one(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    save = callbacks.ModelCheckpoint(path)
    model = compiled()
    model.fit(X, REAL, verbose=0, callbacks=[save])
    before = path.read_bytes()

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, REAL, verbose=0, callbacks=[save])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.keras"]


@pytest.mark.parametrize(
    ("kwargs", "error", "message"),
    [
        ({"filepath": "a.txt"}, ValueError, r"must end in `.keras` .*filepath=a.txt"),
        ({"filepath": "a.keras", "save_weights_only": True}, ValueError, r"must end in `.weights.h5`"),
        ({"filepath": "a.keras", "save_freq": "day"}, ValueError, "Unrecognized save_freq: day"),
    ],
)
def test_checkpoint_arguments(kwargs, error, message):
    with pytest.raises(error, match=message):
        callbacks.ModelCheckpoint(**kwargs)


def test_checkpoint_with_an_unknown_name(tmp_path):
    with pytest.raises(KeyError, match=r"Failed to format this callback filepath.*foo.*Known names: loss, epoch"):
        compiled().fit(X, REAL, verbose=0, callbacks=[callbacks.ModelCheckpoint(tmp_path / "{foo}.keras")])
    save = callbacks.ModelCheckpoint(tmp_path / "b.keras", save_best_only=True)
    with pytest.warns(UserWarning, match="Can save best model only with `val_loss` which is not available"):
        compiled().fit(X, REAL, verbose=0, callbacks=[save])


# -- the small ones


def test_learning_rate_scheduler(capsys):
    histories = []
    for module, model in zip((addax, keras), pair(mlp), strict=True):
        compile_eagerly(model, module.optimizers.SGD(0.5), "mse")
        schedule = module.callbacks.LearningRateScheduler(lambda epoch, rate: rate / (epoch + 1), verbose=1)
        histories.append(model.fit(X, REAL, epochs=3, verbose=0, callbacks=[schedule]).history["learning_rate"])
    np.testing.assert_allclose(histories[0], histories[1], rtol=1e-6)
    ours, theirs = (part.splitlines() for part in _halves(capsys.readouterr().out))
    assert [line[:50] for line in ours] == [line[:50] for line in theirs]
    one = callbacks.LearningRateScheduler(lambda epoch: 0.1)
    assert compiled().fit(X, REAL, verbose=0, callbacks=[one]).history["learning_rate"] == [pytest.approx(0.1)]
    with pytest.raises(ValueError, match=r"should be a float. Got: fast"):
        compiled().fit(X, REAL, verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: "fast")])


def _halves(text):
    lines = text.splitlines(keepends=True)
    return "".join(lines[: len(lines) // 2]), "".join(lines[len(lines) // 2 :])


def test_terminate_on_nan(capsys):
    def broken():
        model = compiled()
        model.layers[0].kernel.assign(np.full((4, 8), np.nan))
        return model

    history = broken().fit(X, REAL, batch_size=10, epochs=3, verbose=0, callbacks=[callbacks.TerminateOnNaN()])
    assert history.epoch == [0]
    assert capsys.readouterr().out == "Batch 0: Invalid loss, terminating training\n"
    with pytest.raises(RuntimeError, match=r"NaN or Inf loss encountered at batch 0. Loss value: nan"):
        broken().fit(X, REAL, verbose=0, callbacks=[callbacks.TerminateOnNaN(raise_error=True)])


def test_csv_logger(tmp_path):
    path = tmp_path / "log.csv"
    model = compiled(metrics=["mae"])
    history = model.fit(X, REAL, epochs=2, verbose=0, callbacks=[callbacks.CSVLogger(path)]).history
    rows = [line.split(",") for line in path.read_text().splitlines()]
    assert rows[0] == ["epoch", "loss", "mae"]
    assert [[float(v) for v in row[1:]] for row in rows[1:]] == [list(v) for v in zip(*history.values(), strict=True)]
    model.fit(X, REAL, epochs=3, initial_epoch=2, verbose=0, callbacks=[callbacks.CSVLogger(path, append=True)])
    assert [line.split(",")[0] for line in path.read_text().splitlines()] == ["epoch", "0", "1", "2"]


# -- what is printed


def test_output_of_fit_on_a_log_file():
    out = io.StringIO()
    with mock.patch("sys.stdout", out), mock.patch("time.time", lambda: 100.0):
        model = compiled(metrics=["mae"])
        model.layers[1].kernel.assign(np.zeros((8, 3)))
        model.fit(X, np.zeros((50, 3)), batch_size=10, epochs=2, validation_split=0.2)
        model.evaluate(X, np.zeros((50, 3)))
        model.predict(X)
        model.predict(X[:3])
        model.fit(X, np.zeros((50, 3)), verbose=0)
        model.fit(X, np.zeros((50, 3)), verbose=2)
    zero = "0.0000e+00"
    assert out.getvalue() == (
        f"Epoch 1/2\n4/4 - 0s - 0s/step - loss: {zero} - mae: {zero} - val_loss: {zero} - val_mae: {zero}\n"
        f"Epoch 2/2\n4/4 - 0s - 0s/step - loss: {zero} - mae: {zero} - val_loss: {zero} - val_mae: {zero}\n"
        f"2/2 - 0s - 0s/step - loss: {zero} - mae: {zero}\n"
        "2/2 - 0s - 0s/step\n"
        f"2/2 - 0s - 0s/step - loss: {zero} - mae: {zero}\n"
    )


def test_output_of_unknown_length():
    out = io.StringIO()
    with mock.patch("sys.stdout", out):
        compiled().fit(((X, REAL) for _ in range(3)), verbose=2)
    assert out.getvalue().startswith("3/3 - 0s - ")


def test_bar_asks_for_values_only_when_it_draws():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    reads = []

    class Counting(addax.metrics.Mean):
        def result(self):
            result = super().result()
            reads.append(result)
            return result

    from addax.callbacks import callback_list

    conversions = []
    convert = callback_list._number
    with (
        mock.patch("sys.stdout", Terminal()),
        mock.patch("time.time", lambda: 100.0),
        mock.patch.object(callback_list, "_number", lambda v: conversions.append(1) or convert(v)),
    ):
        compiled().fit(X, REAL, batch_size=1)
    assert len(conversions) <= 8  # the first drawing and the last, not fifty


def test_without_interactive_logging_lines_go_to_the_log(caplog, capsys):
    import logging

    addax.config.disable_interactive_logging()
    try:
        with caplog.at_level(logging.INFO, logger="addax"):
            compiled().fit(X, REAL, epochs=2)
    finally:
        addax.config.enable_interactive_logging()
    assert capsys.readouterr().out == ""
    assert [r.message[:9] for r in caplog.records if r.name == "addax"] == [
        "Epoch 1/2",
        "2/2 - 0s ",
        "Epoch 2/2",
        "2/2 - 0s ",
    ]
