"""Global settings and the names under `addax.backend` and `addax.utils`."""

import pytest

import addax
from addax import config
from tests.ops.helpers import keras


def test_defaults_are_those_of_keras():
    for name in ("floatx", "epsilon", "image_data_format", "max_epochs", "max_steps_per_epoch", "is_nnx_enabled"):
        assert getattr(config, name)() == getattr(keras.config, name)()
    for name in ("is_interactive_logging_enabled", "is_traceback_filtering_enabled", "is_flash_attention_enabled"):
        assert getattr(config, name)() is True
    assert config.backend() == "addax"


@pytest.mark.parametrize("what", ["interactive_logging", "traceback_filtering", "flash_attention"])
def test_switches(what):
    try:
        getattr(config, f"disable_{what}")()
        assert getattr(config, f"is_{what}_enabled")() is False
    finally:
        getattr(config, f"enable_{what}")()
    assert getattr(config, f"is_{what}_enabled")() is True


def test_values():
    try:
        config.set_epsilon(1e-3)
        config.set_image_data_format("channels_first")
        config.set_max_epochs(2)
        assert (config.epsilon(), config.image_data_format(), config.max_epochs()) == (1e-3, "channels_first", 2)
        assert config.standardize_data_format(None) == "channels_first"
        assert config.standardize_data_format("Channels_Last") == "channels_last"
        assert addax.ops.max_pool(addax.ops.ones((1, 2, 4, 4)), 2).shape == (1, 2, 2, 2)
    finally:
        config.set_epsilon(1e-7)
        config.set_image_data_format("channels_last")
        config.set_max_epochs(None)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: config.set_floatx("int8"), "float16"),
        (lambda: config.set_image_data_format("nhwc"), "channels_last"),
        (lambda: config.set_backend("torch"), "expected 'addax' or 'jax'"),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_threads():
    before = config.num_threads()
    config.set_num_threads(2)
    assert config.num_threads() == 2
    config.set_num_threads(before)


def test_names_of_keras_namespaces():
    for namespace in ("backend", "tree", "random", "activations", "initializers"):
        ours, theirs = getattr(addax, namespace), getattr(keras, namespace)
        missing = [n for n in dir(theirs) if not n.startswith("_") and not hasattr(ours, n)]
        assert missing == [], namespace
    missing = [n for n in dir(keras.config) if not n.startswith("_") and not hasattr(config, n)]
    assert missing == ["enable_unsafe_deserialization"]  # a file never runs code


def test_automatic_names():
    addax.backend.clear_session()
    assert [addax.backend.get_uid("dense") for _ in range(3)] == [1, 2, 3]
    from addax.utils.naming import auto_name, to_snake_case

    addax.backend.clear_session()
    assert [auto_name("Conv2D") for _ in range(2)] == ["conv2d", "conv2d_1"]
    for name in (
        "GlobalMaxPooling2D",
        "LSTM",
        "RMSprop",
        "ReLU",
        "CTCLoss",
        "Conv2DTranspose",
        "IRFFT",
        "HTTPServer2X",
    ):
        from keras.src.utils.naming import to_snake_case as theirs

        assert to_snake_case(name) == theirs(name)


@pytest.mark.parametrize("namespace", ["numpy", "nn", "linalg"])
def test_names_of_the_namespaces_of_ops(namespace):
    ours, theirs = getattr(addax.ops, namespace), getattr(keras.ops, namespace)
    names = {n for n in dir(theirs) if not n.startswith("_") and hasattr(addax.ops, n)}
    assert names - set(ours.__all__) == set()
    for name in ours.__all__:
        assert getattr(ours, name) is getattr(addax.ops, name)
