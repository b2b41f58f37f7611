"""Convolutions by cuDNN: through fake_cudnn.cc, which stands for it on the emulated device; and what is declared of it
against the real one, where its wheel is installed."""

from __future__ import annotations

import ctypes
import importlib.util
import math
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from addax import engine
from addax.compiled import CompiledFunction
from tests.cuda import test_kernels, test_programs
from tests.cuda.build import ROOT, emulation
from tests.cuda.test_cublaslt import counted, rounded
from tests.cuda.test_programs import values
from tests.samples import Sample
from tests.table.helpers import as_float64, bits

pytestmark = pytest.mark.emulated
TYPES = ("float32", "float16", "bfloat16")
SAMPLES = [p for p in test_kernels.CASES if p.values[0].op.startswith("conv") and p.values[1] in TYPES[:2]]
# fake_cudnn.cc's engines. Those that addax does not want are the fast ones, the slices of sums show in the bits.
PLAIN, TENSOR_CORES, VARIES, HUGE, FAILS, WINOGRAD, ROUNDS, SLICED, SHORT_SUMS, FFT = range(10)


def use(library, monkeypatch, least: str = "1") -> None:
    """Forgets what was asked, as a new process does."""
    monkeypatch.setenv("ADDAX_CUDNN", least)
    library.emulation_use_cudnn(1)


@pytest.fixture(autouse=True)
def library(monkeypatch, tmp_path):
    """The emulation's library, in which cuDNN is found and takes convolutions of any size; nothing is known of it."""
    found = emulation()
    found.fake_cudnn_set_time.argtypes = [ctypes.c_int, ctypes.c_double]
    found.emulation_set_own_time.argtypes = [ctypes.c_double]
    monkeypatch.setenv("ADDAX_CACHE_DIR", str(tmp_path))
    use(found, monkeypatch)
    yield found
    monkeypatch.delenv("ADDAX_CUDNN")
    found.fake_cudnn_reset()
    found.emulation_set_own_time(1)
    found.emulation_use_cudnn(0)
    found.emulation_set_reversed(0)


@pytest.fixture
def kept(tmp_path):
    """Gives the files of choices."""
    return lambda: sorted((tmp_path / "convolutions").glob("*.kept"))


GEOMETRY = {"strides": (1, 1), "low": (1, 1), "high": (1, 1), "dilation": (1, 1), "groups": 1}


def operands(dtype="float32", size=9) -> tuple[engine.Tensor, engine.Tensor]:
    return values((2, size, 7, 40), dtype).to("cuda:0"), values((3, 3, 40, 16), dtype, 1).to("cuda:0")


def conv(x, w) -> engine.Tensor:
    return engine.apply("conv", x, w, **GEOMETRY)


def own(library, call):
    """What the call returns by addax's own kernels."""
    library.emulation_use_cudnn(0)
    result = call()
    library.emulation_use_cudnn(1)
    return result


def taken(library, call):
    """What the call returns, and how many convolutions it left to cuDNN."""
    return counted(library.fake_cudnn_convolutions, call)


# ---- the samples


@pytest.mark.parametrize(("sample", "dtype"), SAMPLES)
def test_forward(library, sample: Sample, dtype: str) -> None:
    _, count = taken(library, lambda: test_kernels.test_forward(library, sample, dtype))
    assert (count > 0) == all(a.size for a in sample.inputs())
    if count:
        assert library.fake_cudnn_engine() == (SLICED if dtype == "float32" else TENSOR_CORES)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_gradients(library, dtype: str, strides, groups: int) -> None:
    """The tape's gradients are those of the CPU."""
    attrs = {"strides": strides, "low": (0, 2), "high": (1, 1), "dilation": (2, 1), "groups": groups}
    host = [values((2, 8, 9, 6), dtype), values((3, 2, 6 // groups, 12), dtype, 1)]

    def gradients(tensors):
        tape = engine.Tape()
        for t in tensors:
            tape.watch(t)
        tape.start()
        y = engine.apply("conv", *tensors, **attrs)
        tape.stop()
        return tape.gradient([y], tensors)

    got, count = taken(library, lambda: gradients([t.to("cuda:0") for t in host]))
    assert count > 0
    # Of the largest: one rounding of the result, and those of float32 sums.
    error = {"float32": 3e-6, "float16": 1e-3, "bfloat16": 8e-3}[dtype]
    for a, b in zip(got, gradients([engine.apply("cast", t, dtype="float64") for t in host]), strict=True):
        np.testing.assert_allclose(as_float64(a), as_float64(b), rtol=0, atol=error * np.abs(as_float64(b)).max())


@pytest.mark.parametrize("program", ["add 0 1;relu 2", "multiply 0 1;tanh 2"])
def test_programs_run_over_the_convolution(library, program: str) -> None:
    """With the same bits as the rows, whether or not cuDNN takes it."""
    tensors = [*(t.to("cpu") for t in operands()), values((16,), "float32", 2)]
    for time, engines in ((1, 3), (0, 0)):
        library.emulation_use_cudnn(1)
        library.emulation_set_own_time(time)
        for file in (Path(os.environ["ADDAX_CACHE_DIR"]) / "convolutions").glob("*.kept"):
            file.unlink()
        conv(*operands())  # is measured here
        _, count = taken(
            library,
            lambda: test_programs.check(
                "conv_fused", tensors, program, (3, 2), lambda t: [conv(t[0], t[1]), t[2]], **GEOMETRY
            ),
        )
        assert count == engines


# ---- which convolutions


def test_small_ones_and_other_types_are_our_own(library, monkeypatch, kept) -> None:
    work = 2 * 9 * 7 * 9 * 40 * 16
    use(library, monkeypatch, str(work))
    assert taken(library, lambda: conv(*operands()))[1] > 0
    use(library, monkeypatch, str(work + 1))
    before = library.fake_cudnn_searches()
    assert taken(library, lambda: conv(*operands()))[1] == 0
    use(library, monkeypatch)
    assert taken(library, lambda: conv(*operands("float64")))[1] == 0
    assert library.fake_cudnn_searches() == before
    assert len(kept()) == 1


def test_arrays_in_the_middle_of_16_bytes_are_our_own(library) -> None:
    x, w = operands()
    whole = values((x.size + 1,), "float32").to("cuda:0")
    shifted = engine.apply("reshape", whole[1:], shape=x.shape)
    same = engine.tensor(shifted.numpy()).to("cuda:0")
    expected = bits(own(library, lambda: conv(same, w)))
    assert taken(library, lambda: conv(same, w))[1] > 0
    out, count = taken(library, lambda: conv(shifted, w))
    assert (bits(out), count) == (expected, 0)


def test_off(library, monkeypatch, kept) -> None:
    from addax.cli import info

    use(library, monkeypatch, "0")
    out, count = taken(library, lambda: conv(*operands()))
    assert (bits(out), count) == (bits(own(library, lambda: conv(*operands()))), 0)
    assert not kept()
    use(library, monkeypatch, "0")
    assert dict(info.engine_rows())["cuDNN"] == "off, by ADDAX_CUDNN"


def test_info_says_whether_it_is_there(library, tmp_path) -> None:
    from addax.cli import info

    told = dict(info.engine_rows())["cuDNN"]
    assert told == f"version 9.28, what is faster for which convolution in {tmp_path / 'convolutions'}"
    library.emulation_use_cudnn(0)
    assert 'pip install "addax[cudnn]"' in dict(info.engine_rows())["cuDNN"]


# ---- engines


def test_unwanted_engines_do_not_even_run(library) -> None:
    before = [library.fake_cudnn_runs(e) for e in range(10)]
    conv(*operands())
    runs = {e for e in range(10) if library.fake_cudnn_runs(e) > before[e]}
    assert runs == {PLAIN, SLICED}
    before = [library.fake_cudnn_runs(e) for e in range(10)]
    conv(*operands("float16"))
    runs = {e for e in range(10) if library.fake_cudnn_runs(e) > before[e]}
    assert runs == {PLAIN, SLICED, TENSOR_CORES}


@pytest.mark.parametrize(
    ("times", "engine", "slices"),
    [({}, SLICED, 2), ({PLAIN: 0.4}, PLAIN, 0), ({PLAIN: 0.9, SLICED: 0.95}, PLAIN, 0), ({PLAIN: 1, SLICED: 1}, -1, 0)],
)
def test_the_fastest_is_taken(library, times, engine: int, slices: int) -> None:
    for e, time in times.items():
        library.fake_cudnn_set_time(e, time)
    conv(*operands())
    out, count = taken(library, lambda: conv(*operands()))
    assert count == (engine >= 0)
    if count:
        assert (library.fake_cudnn_engine(), library.fake_cudnn_slices()) == (engine, slices)
    else:
        assert bits(out) == bits(own(library, lambda: conv(*operands())))


def test_where_few_are_expected_to_be_fast_others_are_tried(library) -> None:
    library.fake_cudnn_set_time(PLAIN, 0.1)
    for first in (True, False):
        library.fake_cudnn_refuse(PLAIN if first else SLICED, 3000)
        conv(*operands(size=9 + first))
        _, count = taken(library, lambda size=9 + first: conv(*operands(size=size)))
        assert count == first
        assert library.fake_cudnn_engine() == SLICED


def test_a_choice_is_made_once(library, kept) -> None:
    first, before = bits(conv(*operands())), library.fake_cudnn_searches()
    assert before > 0
    for _ in range(2):
        out, count = taken(library, lambda: conv(*operands()))
        assert (bits(out), count) == (first, 1)
    assert library.fake_cudnn_searches() == before
    conv(*operands(size=10))
    assert library.fake_cudnn_searches() > before
    assert len(kept()) == 2


# ---- what is kept


def test_a_new_process_takes_the_same(library, monkeypatch) -> None:
    """Though by now another would be faster."""
    first, before = bits(conv(*operands())), library.fake_cudnn_searches()
    library.fake_cudnn_set_time(PLAIN, 0.01)
    use(library, monkeypatch)
    out, count = taken(library, lambda: conv(*operands()))
    assert (bits(out), count) == (first, 1)
    assert (library.fake_cudnn_engine(), library.fake_cudnn_slices()) == (SLICED, 2)
    assert library.fake_cudnn_searches() == before


def test_our_own_is_kept_too(library, monkeypatch) -> None:
    library.emulation_set_own_time(0)
    first, before = bits(conv(*operands())), library.fake_cudnn_searches()
    library.emulation_set_own_time(1)
    use(library, monkeypatch)
    out, count = taken(library, lambda: conv(*operands()))
    assert (bits(out), count) == (first, 0)
    assert library.fake_cudnn_searches() == before


def test_a_choice_that_cannot_be_made_again_is_our_own(library, monkeypatch) -> None:
    conv(*operands())
    before = library.fake_cudnn_searches()
    library.fake_cudnn_refuse(SLICED, 3000)
    use(library, monkeypatch)
    out, count = taken(library, lambda: conv(*operands()))
    assert (bits(out), count) == (bits(own(library, lambda: conv(*operands()))), 0)
    assert library.fake_cudnn_searches() == before


def test_a_damaged_file_is_replaced(library, monkeypatch, kept) -> None:
    first = bits(conv(*operands()))
    (file,) = kept()
    whole = file.read_bytes()
    conv(*operands(size=10))
    (other,) = set(kept()) - {file}
    foreign = other.read_bytes()
    for damaged in (b"", whole[:20], whole[:-1], whole[:-1] + b"9", b"x" + whole[1:], b"x" * 500, foreign):
        file.write_bytes(damaged)
        use(library, monkeypatch)
        before = library.fake_cudnn_searches()
        assert bits(conv(*operands())) == first
        assert file.read_bytes() == whole
        assert library.fake_cudnn_searches() > before


@pytest.mark.parametrize("folder", ["/dev/null", "/proc/addax"])
def test_nothing_is_measured_that_cannot_be_kept(library, monkeypatch, folder: str) -> None:
    monkeypatch.setenv("ADDAX_CACHE_DIR", folder)
    before = library.fake_cudnn_searches()
    out, count = taken(library, lambda: conv(*operands()))
    assert (bits(out), count) == (bits(own(library, lambda: conv(*operands()))), 0)
    assert library.fake_cudnn_searches() == before


def test_who_keeps_first_is_read_by_all(library, tmp_path) -> None:
    keep = library.emulation_cache_keep_first
    keep.restype = ctypes.c_char_p
    for key in (b"a", b"b", b"c"):
        with ThreadPoolExecutor(8) as pool:
            told = set(pool.map(lambda i, key=key: keep(str(tmp_path).encode(), key, b"%d" % i), range(64)))
        assert len(told) == 1
        library.emulation_cache_find.restype = ctypes.c_char_p
        assert library.emulation_cache_find(str(tmp_path).encode(), key) == told.pop()


def test_what_another_process_keeps_meanwhile_is_taken(library, monkeypatch, kept) -> None:
    first = bits(conv(*operands()))
    (file,) = kept()
    whole = file.read_bytes()
    file.unlink()
    library.fake_cudnn_set_time(PLAIN, 0.01)
    visitor = ctypes.CFUNCTYPE(None)(lambda: file.write_bytes(whole) and None)
    library.fake_cudnn_visit(visitor)
    use(library, monkeypatch)
    assert bits(conv(*operands())) == first
    assert (library.fake_cudnn_engine(), library.fake_cudnn_slices()) == (SLICED, 2)


OTHER = """
from tests.cuda import test_cudnn as t
library = t.emulation()
library.fake_cudnn_set_time.argtypes = [t.ctypes.c_int, t.ctypes.c_double]
library.fake_cudnn_set_time(t.PLAIN, 0.01)
library.emulation_use_cudnn(1)
print(repr(t.bits(t.conv(*t.operands()))))
print(library.fake_cudnn_engine(), library.fake_cudnn_searches())
"""


def test_another_process_takes_the_same() -> None:
    first = bits(conv(*operands()))
    told = subprocess.run([sys.executable, "-c", OTHER], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [repr(first), f"{SLICED} 0"]


# ---- TF32


def test_tf32_is_chosen_by_itself(library, kept) -> None:
    x, w = operands()
    before = conv(x, w)
    engine.set_tf32(True)
    after = conv(x, w)
    assert library.fake_cudnn_engine() == TENSOR_CORES
    engine.set_tf32(False)
    assert bits(conv(x, w)) == bits(before)
    assert library.fake_cudnn_engine() == SLICED
    assert len(kept()) == 2
    exact, expected = (
        as_float64(engine.apply("conv", *map(engine.tensor, pair), **GEOMETRY))
        for pair in ((as_float64(x), as_float64(w)), (rounded(x.numpy()), rounded(w.numpy())))
    )
    size = np.abs(exact).max()
    assert np.abs(as_float64(before) - exact).max() / size < 1e-6
    assert np.abs(as_float64(after) - expected).max() / size < 1e-6
    assert np.abs(as_float64(after) - exact).max() / size > 1e-5


# ---- captured work


def test_captured(library) -> None:
    """What is captured ran just so before, so its choices are known."""
    x, w = operands()

    def step(x, w):
        y = engine.apply("relu", conv(x, w))
        g = engine.apply("conv_filter_grad", x, y, filter_spatial=(3, 3), **GEOMETRY)
        return y, engine.apply("conv_input_grad", y, g, input_spatial=(9, 7), **GEOMETRY)

    function = CompiledFunction(step)
    eager = [bits(t) for t in step(x, w)]
    searches, captured = library.fake_cudnn_searches(), library.emulation_captured_launches()
    for _ in range(4):
        out, count = taken(library, lambda: function(x, w))
        assert ([bits(t) for t in out], count) == (eager, 3)
    assert library.emulation_captured_launches() >= captured + 3
    assert library.fake_cudnn_searches() == searches


def test_captured_work_reads_the_settings(library, monkeypatch) -> None:
    function = CompiledFunction(lambda x, w: engine.apply("relu", conv(x, w)))
    found = []
    for tf32 in (False, True, False):
        engine.set_tf32(tf32)
        got = [taken(library, lambda: bits(function(*operands()))) for _ in range(3)]
        assert {b for b, _ in got} == {bits(engine.apply("relu", conv(*operands())))}
        assert [count for _, count in got[1:]] == [1, 1]
        found.append(got[0][0])
    assert found[0] == found[2] != found[1]


# ---- errors


def test_a_failure_names_the_op_and_the_status(library) -> None:
    x, w = operands()
    expected = bits(conv(x, w))
    library.fake_cudnn_fail(5000)
    failed = r"conv: cudnnBackendExecute failed on cuda:0: CUDNN_STATUS_EXECUTION_FAILED \(5000\)"
    with pytest.raises(RuntimeError, match=failed):
        conv(x, w)
    assert bits(conv(x, w)) == expected


def test_a_device_that_cudnn_does_not_take_runs_our_own(library, kept) -> None:
    library.fake_cudnn_fail_to_create(1001)
    out, count = taken(library, lambda: conv(*operands()))
    assert engine.device_info("cuda:0")["libraries"]["cuDNN"] == "unusable: cudnnCreate: CUDNN_STATUS_NOT_INITIALIZED"
    assert (bits(out), count) == (bits(own(library, lambda: conv(*operands()))), 0)
    assert not kept()


# ---- finding it


def test_a_wheel_is_found_in_the_folders_of_packages(library, tmp_path) -> None:
    from addax import _core

    name = b"libaddax_test_of_finding_cudnn.so.9"
    folder = tmp_path / "nvidia/cudnn/lib"
    folder.mkdir(parents=True)
    (folder / name.decode()).write_bytes(Path(importlib.util.find_spec("_ctypes").origin).read_bytes())
    assert not library.emulation_finds(name)
    _core.set_package_folders([str(tmp_path)])
    try:
        assert library.emulation_finds(name)
    finally:
        _core.set_package_folders([p for p in sys.path if p])


def wheel(*parts: str) -> Path | None:
    """A file of NVIDIA's wheels."""
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else []
    return next((p for f in folders or [] if (p := Path(f, *parts)).exists()), None)


def test_declarations_are_those_of_the_header() -> None:
    header, runtime = wheel("cudnn", "include", "cudnn.h"), wheel("cu13", "include", "cuda_runtime_api.h")
    if not (header and runtime):
        pytest.skip("nvidia-cudnn-cu13 and nvidia-cuda-runtime are not installed")
    include = [f"-I{p}" for p in (ROOT, header.parent, runtime.parent)]
    source = ROOT / "tests/cuda/real/cudnn_header.cc"
    subprocess.run([os.environ.get("CXX", "c++"), "-std=c++17", "-w", "-fsyntax-only", *include, source], check=True)
    declared = set(re.findall(r"\bCUDNN_\w+", (ROOT / "cuda/cudnn_abi.h").read_text()))
    assert declared - set(re.findall(r"SAME\((\w+)\)", source.read_text())) == set()


# The descriptors of a convolution in two dims and in three: images, filters, result; then strides, dilation, paddings.
DESCRIBED = [
    ([(2, 6, 9, 8), (4, 3, 3, 3), (2, 4, 4, 4)], [(2, 2), (1, 1), (0, 1), (0, 0)]),
    ([(2, 6, 9, 8, 7), (4, 3, 3, 3, 1), (2, 4, 4, 4, 7)], [(2, 2, 1), (1, 1, 1), (0, 1, 0), (0, 0, 0)]),
]


@pytest.mark.parametrize(("arrays", "geometry"), DESCRIBED)
@pytest.mark.parametrize("dtype", [0, 2, 9])
def test_the_library_takes_the_descriptors_that_the_fake_takes(library, arrays, geometry, dtype: int) -> None:
    """Which needs no device, up to the operation; and reads them alike."""
    path, blas = wheel("cudnn", "lib", "libcudnn.so.9"), wheel("cu13", "lib", "libcublasLt.so.13")
    if not (path and blas):
        pytest.skip("nvidia-cudnn-cu13 is not installed")
    ctypes.CDLL(str(blas))  # or cuDNN ends the process
    names = dict(re.findall(r"(CUDNN_\w+) = (\d+)", (ROOT / "cuda/cudnn_abi.h").read_text()))
    types = {"INT64": ctypes.c_int64, "BACKEND_DESCRIPTOR": ctypes.c_void_p, "FLOAT": ctypes.c_float}

    def number(name: str) -> int:
        return int(names[f"CUDNN_{name}"])

    def described(by, kind: str, *attributes):
        at = ctypes.c_void_p()
        assert by.cudnnBackendCreateDescriptor(number(f"BACKEND_{kind}_DESCRIPTOR"), ctypes.byref(at)) == 0
        for name, type_, given in attributes:
            array = (types.get(type_, ctypes.c_int) * len(given))(*given)
            count, type_ = ctypes.c_int64(len(given)), number(f"TYPE_{type_}")
            assert by.cudnnBackendSetAttribute(at, number(f"ATTR_{name}"), type_, count, array) == 0, name
        assert by.cudnnBackendFinalize(at) == 0, kind
        return at

    def tensor(by, name: int, sizes):
        strides = [math.prod(sizes[1:]), 1, *(sizes[1] * math.prod(sizes[d:]) for d in range(3, len(sizes) + 1))]
        integers = {"UNIQUE_ID": [name], "BYTE_ALIGNMENT": [16], "DIMENSIONS": sizes, "STRIDES": strides}
        rest = ((f"TENSOR_{n}", "INT64", given) for n, given in integers.items())
        return described(by, "TENSOR", ("TENSOR_DATA_TYPE", "DATA_TYPE", [dtype]), *rest)

    read = []
    for by in (library, ctypes.CDLL(str(path))):
        x, w, y = (tensor(by, i, sizes) for i, sizes in enumerate(arrays))
        lists = ("FILTER_STRIDES", "DILATIONS", "PRE_PADDINGS", "POST_PADDINGS")
        convolution = described(
            by,
            "CONVOLUTION",
            ("CONVOLUTION_COMP_TYPE", "DATA_TYPE", [number("DATA_FLOAT")]),
            ("CONVOLUTION_CONV_MODE", "CONVOLUTION_MODE", [number("CROSS_CORRELATION")]),
            ("CONVOLUTION_SPATIAL_DIMS", "INT64", [len(geometry[0])]),
            *((f"CONVOLUTION_{n}", "INT64", given) for n, given in zip(lists, geometry, strict=True)),
        )
        for kind, short, names_of in (
            ("FORWARD", "FORWARD", ("X", "W", "Y")),
            ("BACKWARD_DATA", "BWD_DATA", ("DX", "W", "DY")),
            ("BACKWARD_FILTER", "BWD_FILTER", ("X", "DW", "DY")),
        ):
            prefix = f"OPERATION_CONVOLUTION_{short}_"
            described(
                by,
                f"OPERATION_CONVOLUTION_{kind}",
                (prefix + "ALPHA", "FLOAT", [1]),
                (prefix + "BETA", "FLOAT", [0]),
                (prefix + "CONV_DESC", "BACKEND_DESCRIPTOR", [convolution]),
                *((prefix + n, "BACKEND_DESCRIPTOR", [t]) for n, t in zip(names_of, (x, w, y), strict=True)),
            )
        knob = ("KNOB_CHOICE_KNOB_TYPE", "KNOB_TYPE", [17]), ("KNOB_CHOICE_KNOB_VALUE", "INT64", [2])
        described(by, "KNOB_CHOICE", *knob)
        count, found = ctypes.c_int64(-1), (ctypes.c_int64 * 8)()
        what = x, number("ATTR_TENSOR_DIMENSIONS"), number("TYPE_INT64")
        for asked, where in ((0, None), (8, found)):
            assert by.cudnnBackendGetAttribute(*what, ctypes.c_int64(asked), ctypes.byref(count), where) == 0
            assert count.value == len(arrays[0])
        read.append(tuple(found)[: count.value])
    assert read[0] == read[1] == arrays[0]
