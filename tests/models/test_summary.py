"""The summary's table is the one that real Keras prints."""

import keras
import numpy as np
import pytest

import addax
from tests.models.test_model import branches
from tests.models.test_sequential import stack


def subclassed(k):
    class Sub(k.Model):
        def __init__(self):
            super().__init__(name="sub")
            self.d = k.layers.Dense(1000, name="a_dense_layer_with_a_name_that_is_too_long_for_its_column")
            self.e = k.layers.Dense(3, name="e")

        def call(self, x):
            return self.e(self.d(x))

    model = Sub()
    model(np.ones((2, 400), "float32"))
    return model


def unbuilt(k):
    return stack(k, with_input=False)


def nested(k):
    inner = k.Sequential([k.Input((3,)), k.layers.Dense(2, name="d")], name="inner")
    return k.Sequential([inner, k.layers.Dense(1, name="e")], name="outer")


def frozen(k):
    model = nested(k)
    model.layers[0].trainable = False
    return model


def chain(k):
    x = k.Input((4,), name="x")
    return k.Model(x, k.layers.Dense(2, name="d")(x), name="chain")


def graph(k):
    return branches(k)


def text_of(model, **kwargs):
    lines = []
    model.summary(print_fn=lines.append, **kwargs)
    return "".join(lines)


MODELS = [stack, subclassed, unbuilt, nested, frozen, chain]


@pytest.mark.parametrize("make", MODELS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"expand_nested": True},
        {"show_trainable": True},
        {"line_length": 60},
        {"line_length": 78, "show_trainable": True},
        {"positions": [0.3, 0.6, 1.0]},
    ],
    ids=str,
)
def test_same_table_as_keras(make, arguments):
    assert text_of(make(addax), **arguments) == text_of(make(keras), **arguments)


def test_layer_range():
    arguments = {"layer_range": ["conv", "flat"]}
    assert text_of(stack(addax), **arguments) == text_of(stack(keras), **arguments)
    for bad, message in ((["nope", "conv"], "do not match the layer names"), (["conv"], "of length 2")):
        for k in (addax, keras):
            with pytest.raises(ValueError, match=message):
                text_of(stack(k), layer_range=bad)


def test_optimizer_is_counted():
    texts = []
    for k in (addax, keras):
        model = chain(k)
        model.compile("adam", "mse")
        model.optimizer.build(model.trainable_variables)
        texts.append(text_of(model))
    assert "Optimizer params: 22 (88.00 B)" in texts[0]
    assert texts[0] == texts[1]


def test_connections_of_a_graph():
    text = text_of(graph(addax), line_length=78)
    assert "Connected to" in text and "first[0][0]" in text and "b[0][0]" in text


def test_prints_to_the_terminal(capsys):
    chain(addax).summary()
    assert 'Model: "chain"' in capsys.readouterr().out


def test_too_narrow():
    with pytest.raises(ValueError, match="Insufficient console width to print summary"):
        text_of(chain(addax), line_length=-1)
