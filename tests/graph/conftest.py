"""These tests are about graphs and plans, also where ADDAX_EAGER runs everything else eagerly."""

import pytest

from addax import config


@pytest.fixture(autouse=True)
def compiled():
    before = config.run_functions_eagerly()
    config.set_run_functions_eagerly(False)
    yield
    config.set_run_functions_eagerly(before)
