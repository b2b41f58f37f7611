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


@pytest.fixture
def compiler(cuda, monkeypatch):
    """Fused rows run by kernels of their own: those of fake_nvrtc.cc, whose results are kept with the library's."""
    from tests.cuda.build import build

    if cuda is None:
        yield None
        return
    monkeypatch.setenv("ADDAX_CACHE_DIR", str(build().with_suffix("")))
    monkeypatch.setenv("ADDAX_NVRTC", "1")  # as few values as tests have
    cuda.emulation_use_nvrtc(1)
    before = cuda.emulation_loaded_launches()
    yield cuda
    assert cuda.emulation_loaded_launches() > before
    cuda.nvrtc_refuse(0)
    cuda.emulation_use_nvrtc(0)
