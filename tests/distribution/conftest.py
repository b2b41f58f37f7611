"""No test leaves a distribution in use, neither addax's nor, where it is loaded, Keras's."""

import sys

import pytest

from addax import distribution


@pytest.fixture(autouse=True)
def no_distribution():
    yield
    for library in (distribution, getattr(sys.modules.get("keras"), "distribution", None)):
        if library is not None:
            library.set_distribution(None)
