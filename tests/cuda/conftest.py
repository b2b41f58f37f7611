"""The device that the tests of this folder run on."""

import pytest


@pytest.fixture(autouse=True)
def cuda(request):
    """Makes `cuda:0` there. Gives the emulation's library, `None` with `--device cuda`."""
    from addax import engine
    from tests.cuda.build import emulation

    if request.config.getoption("--device") == "cuda":
        if engine.device_problem():
            pytest.fail(f"--device cuda: {engine.device_problem()}", pytrace=False)
        yield None
    else:
        library = emulation()
        yield library
        library.emulation_set_reversed(0)
    engine.synchronize("cuda:0")  # no test leaves a fault behind
