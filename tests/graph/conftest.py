"""These tests are about graphs and plans, also where ADDAX_EAGER runs everything else eagerly."""

import pytest


@pytest.fixture(autouse=True)
def compiled(compiled_steps):
    return compiled_steps
