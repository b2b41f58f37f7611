"""Constructors take what Keras's take, in the same order."""

import inspect

import keras
import pytest

import addax

SPACES = ("callbacks", "constraints", "initializers", "layers", "losses", "metrics", "optimizers", "regularizers")
CLASSES = [
    pytest.param(getattr(getattr(addax, space), name), getattr(getattr(keras, space), name), id=f"{space}.{name}")
    for space in SPACES
    for name in dir(getattr(keras, space))
    if inspect.isclass(getattr(getattr(keras, space), name)) and hasattr(getattr(addax, space), name)
]


@pytest.mark.parametrize(("ours", "theirs"), CLASSES)
def test_constructors(ours, theirs):
    got, want = (
        [(p.name, p.kind) for p in inspect.signature(cls.__init__).parameters.values()] for cls in (ours, theirs)
    )
    assert got == want
