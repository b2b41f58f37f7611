"""Products by cuBLASLt: through fake_cublaslt.cc, which stands for it on the emulated device; and what is declared of
it against the real one, where its wheel is installed."""

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from addax import _core, engine
from addax.compiled import CompiledFunction
from tests.cuda import test_kernels, test_programs
from tests.cuda.build import ROOT, emulation
from tests.cuda.test_programs import values
from tests.samples import FLOATS, Sample
from tests.table.helpers import as_float64, bits

pytestmark = pytest.mark.emulated
MATMULS = [p for p in test_kernels.CASES if p.values[0].op.startswith("matmul")]
RECURRENCES = [p for p in test_kernels.CASES if p.values[0].op in ("lstm", "gru", "simple_rnn")]
LAYOUTS = [p.values[0] for p in MATMULS if p.values[1] in ("float32", "float64")]
# Of one rounding in the type, where cuBLASLt makes one of two.
CLOSE = {"float64": 1e-12, "float32": 1e-5, "float16": 4e-3, "bfloat16": 3e-2}
BIAS_PROGRAMS = ["add 0 1", "add 1 0", "add 0 1;relu 2"]


@pytest.fixture(autouse=True)
def library():
    """The emulation's library, in which cuBLASLt is found and takes products of any size."""
    found = emulation()
    found.emulation_use_cublaslt(1, 1)
    yield found
    found.fake_cublaslt_find_nothing(0)
    found.emulation_use_cublaslt(0, 1)
    found.emulation_set_reversed(0)


def product(a, b, **flags):
    return engine.apply("matmul", a, b, **flags)


def pair(dtype="float32", m=20, k=30, n=40):
    return values((m, k), dtype).to("cuda:0"), values((k, n), dtype, 1).to("cuda:0")


def counted(count, call):
    """What the call returns, and by how much it raises the count."""
    before = count()
    result = call()
    return result, count() - before


def taken(library, call):
    """What the call returns, and how many products it left to cuBLASLt."""
    return counted(library.fake_cublaslt_products, call)


# ---- the samples


@pytest.mark.parametrize(("sample", "dtype"), MATMULS)
def test_forward(library, sample: Sample, dtype: str) -> None:
    _, count = taken(library, lambda: test_kernels.test_forward(library, sample, dtype))
    multiplies = dtype in FLOATS and all(a.size for a in sample.inputs()) and "batches broadcast" not in sample.label
    assert (count > 0) == multiplies


@pytest.mark.parametrize(("sample", "dtype"), RECURRENCES)
def test_projection_of_all_steps(library, sample: Sample, dtype: str) -> None:
    """Sums of 16-bit floats go on in float32: those are our own."""
    _, count = taken(library, lambda: test_kernels.test_forward(library, sample, dtype))
    assert (count > 0) == (dtype in ("float32", "float64") and all(a.size for a in sample.inputs()))


@pytest.mark.parametrize("sample", LAYOUTS, ids=str)
def test_layout(sample: Sample) -> None:
    test_kernels.test_layout(sample)


@pytest.mark.parametrize("sample", [s for s in test_kernels.GRADIENTS if s.op.startswith("matmul")], ids=str)
def test_gradient(sample: Sample) -> None:
    test_kernels.test_gradient(sample)


# ---- which products


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("turned", [False, True])
def test_lines_either_way(library, transpose_a: bool, transpose_b: bool, turned: bool) -> None:
    """Batches, pitches and transposed views are told apart in the call, without a copy."""
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((3, 5, 7)), rng.standard_normal((3, 7, 4))

    def there(x, transposed):
        x = x.swapaxes(1, 2) if transposed != turned else x
        wide = engine.tensor(np.concatenate([np.full_like(x, np.nan), x], axis=2)).to("cuda:0")
        x = engine.apply("slice", wide, starts=(0, 0, x.shape[2]), stops=wide.shape, steps=(1, 1, 1))
        return engine.apply("transpose", x, axes=(0, 2, 1)) if turned else x

    left, right, flags = there(a, transpose_a), there(b, transpose_b), (transpose_a, transpose_b)
    out, count = taken(library, lambda: product(left, right, transpose_a=flags[0], transpose_b=flags[1]))
    np.testing.assert_allclose(out.numpy(), a @ b, rtol=1e-12, atol=1e-12)
    assert count == 1


def test_small_products_and_integers_are_our_own(library) -> None:
    library.emulation_use_cublaslt(1, 20 * 30 * 40)
    assert taken(library, lambda: product(*pair()))[1] == 1
    assert taken(library, lambda: product(*pair(n=39)))[1] == 0
    assert taken(library, lambda: product(*pair("int32")))[1] == 0


def test_an_algorithm_is_looked_for_once(library) -> None:
    a, b = pair()
    first, before = bits(product(a, b)), library.fake_cublaslt_searches()
    assert bits(product(a, b)) == first
    assert library.fake_cublaslt_searches() == before
    product(*pair(m=21))
    assert library.fake_cublaslt_searches() == before + 1
    for n in range(1, 1100):  # more than are remembered
        product(*pair(m=1, k=1, n=n))
    assert bits(product(a, b)) == first
    assert library.fake_cublaslt_searches() == before + 1 + 1099 + 1


def test_addresses_of_elements_are_enough(library) -> None:
    """The search is told how addresses are aligned."""
    whole = values((20 * 30 + 4,), "float16").to("cuda:0")
    for offset in range(1, 4):
        a = engine.apply("slice", whole, starts=(offset,), stops=(600 + offset,), steps=(1,))
        a = engine.apply("reshape", a, shape=(20, 30))
        b = pair("float16")[1]
        out, count = taken(library, lambda a=a, b=b: product(a, b))
        np.testing.assert_allclose(as_float64(out), as_float64(a) @ as_float64(b), rtol=2e-3, atol=0.05)
        assert count == 1


# ---- epilogues


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("program", BIAS_PROGRAMS)
@pytest.mark.parametrize("shape", [(13,), (1, 13)])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_bias(library, dtype: str, program: str, shape, batch) -> None:
    host = values((*batch, 6, 5), dtype), values((*batch, 5, 13), dtype, 1), values(shape, dtype, 2)
    tensors, last = [t.to("cuda:0") for t in host], 1 + len(program.split(";"))
    before = library.fake_cublaslt_biased()
    out = engine.apply("matmul_fused", *tensors, program=program, dtypes=f"{dtype} {dtype}", results=(last,))
    assert library.fake_cublaslt_biased() == before + 1
    a, b, bias = map(as_float64, host)
    want = a @ b + bias
    want = np.maximum(want, 0) if "relu" in program else want
    np.testing.assert_allclose(as_float64(out), want, rtol=CLOSE[dtype], atol=CLOSE[dtype] * 10)


@pytest.mark.parametrize(
    ("program", "shape", "results"),
    [
        ("add 0 1;tanh 2", (13,), (3,)),
        ("add 0 0", (13,), (2,)),
        ("multiply 0 1", (13,), (2,)),
        ("relu 0;add 1 2", (13,), (3,)),
        ("add 0 1;relu 2", (13,), (3, 2)),
        ("add 0 1;relu 0", (13,), (3,)),
        ("add 0 1", (6, 1), (2,)),
        ("add 0 1", (6, 13), (2,)),
        ("add 0 1", (1,), (2,)),
    ],
)
def test_other_programs_run_over_the_product(library, program: str, shape, results) -> None:
    tensors = [values((6, 5), "float32"), values((5, 13), "float32", 1), values(shape, "float32", 2)]
    before = library.fake_cublaslt_biased(), library.fake_cublaslt_products()
    test_programs.check("matmul_fused", tensors, program, results, lambda t: [product(t[0], t[1]), t[2]])
    assert library.fake_cublaslt_biased() == before[0]
    assert library.fake_cublaslt_products() == before[1] + 3


def test_a_bias_in_the_middle_of_16_bytes_runs_behind(library) -> None:
    tensors = [values((6, 5), "float32"), values((5, 13), "float32", 1), values((14,), "float32", 2)]
    a, b, c = (t.to("cuda:0") for t in tensors)
    c = engine.apply("slice", c, starts=(1,), stops=(14,), steps=(1,))
    before = library.fake_cublaslt_biased()
    out = engine.apply("matmul_fused", a, b, c, program="add 0 1", dtypes="float32 float32", results=(2,))
    assert bits(out) == bits(product(a, b) + c)
    assert library.fake_cublaslt_biased() == before


# ---- TF32


def rounded(x):
    """To TF32: 10 bits of mantissa, of two values that are as near the greater in size."""
    mantissa, exponent = np.frexp(x.astype(np.float64))
    return np.ldexp(np.copysign(np.floor(np.abs(mantissa) * 2048 + 0.5), mantissa) / 2048, exponent)


@pytest.mark.parametrize("by", ["cublaslt", "own tiles"])
def test_tf32_rounds_the_factors(library, by: str) -> None:
    library.emulation_use_cublaslt(by == "cublaslt", 1)
    a, b = pair()
    host = a.numpy(), b.numpy()
    exact, wanted = (host[0].astype(np.float64) @ host[1], rounded(host[0]) @ rounded(host[1]))
    size = np.abs(host[0]).astype(np.float64) @ np.abs(host[1])
    before = product(a, b)
    engine.set_tf32(True)
    assert (np.abs(product(a, b).numpy() - wanted) / size).max() < 3e-7
    assert (np.abs(product(a, b).numpy() - exact) / size).max() > 1e-5
    engine.set_tf32(False)
    assert bits(product(a, b)) == bits(before)
    assert (np.abs(before.numpy() - exact) / size).max() < 3e-7


@pytest.mark.parametrize("by", ["cublaslt", "own tiles"])
def test_tf32_keeps_what_is_not_finite_and_rounds_ties_away(library, by: str) -> None:
    library.emulation_use_cublaslt(by == "cublaslt", 1)
    engine.set_tf32(True)
    step = 2.0**-10
    x = np.float32([np.inf, -np.inf, np.nan, 1 + step / 2, -1 - step / 2, 1 + step * 0.49, 0.0, 2.0**-126])
    want = np.float32([np.inf, -np.inf, np.nan, 1 + step, -1 - step, 1, 0.0, 2.0**-126])
    out = product(engine.tensor(x[:, None]).to("cuda:0"), engine.tensor(np.ones((1, 1), "float32")).to("cuda:0"))
    np.testing.assert_array_equal(out.numpy()[:, 0], want)


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_tf32_is_for_float32(dtype: str) -> None:
    a, b = pair(dtype)
    before = bits(product(a, b))
    engine.set_tf32(True)
    assert bits(product(a, b)) == before


def test_older_devices_have_no_tf32(library) -> None:
    library.emulation_use_cublaslt(0, 1)
    a, b = pair()
    before = bits(product(a, b))
    engine.set_tf32(True)
    library.emulation_set_capability(75)
    try:
        assert bits(product(a, b)) == before
    finally:
        library.emulation_set_capability(90)
    assert bits(product(a, b)) != before


@pytest.mark.parametrize("by", ["cublaslt", "own tiles"])
def test_captured_work_reads_the_setting(library, by: str) -> None:
    library.emulation_use_cublaslt(by == "cublaslt", 1)
    a, b = pair()
    bias = values((40,), "float32", 2).to("cuda:0")
    function = CompiledFunction(lambda a, b: engine.apply("relu", product(a, b) + bias))
    found = []
    for tf32 in (False, True, False):
        engine.set_tf32(tf32)
        eager = bits(engine.apply("relu", product(a, b) + bias))
        before = library.emulation_captured_launches()
        assert [bits(function(a, b)) for _ in range(3)] == [eager] * 3
        assert library.emulation_captured_launches() >= before + 2
        found.append(eager)
    assert found[0] == found[2] != found[1]


# ---- errors


def test_without_an_algorithm_products_are_our_own(library) -> None:
    library.emulation_use_cublaslt(0, 1)
    own = bits(product(*pair()))
    library.emulation_use_cublaslt(1, 1)
    library.fake_cublaslt_find_nothing(1)
    out, count = taken(library, lambda: product(*pair()))
    assert (bits(out), count) == (own, 0)


def test_a_failure_names_the_op_and_the_status(library) -> None:
    a, b = pair()
    library.fake_cublaslt_fail(13)
    failed = r"matmul: cublasLtMatmul failed on cuda:0: CUBLAS_STATUS_EXECUTION_FAILED \(13\)"
    with pytest.raises(RuntimeError, match=failed):
        product(a, b)
    np.testing.assert_allclose(product(a, b).numpy(), a.numpy() @ b.numpy(), rtol=1e-5, atol=1e-5)


# ---- finding it


def test_info_says_whether_it_is_there(library) -> None:
    from addax.cli import info

    assert dict(info.engine_rows())["cuBLASLt"] == "version 13.1"
    library.emulation_use_cublaslt(0, 1)
    assert 'pip install "addax[cuda]"' in dict(info.engine_rows())["cuBLASLt"]


def test_a_wheel_is_found_in_the_folders_of_packages(library, tmp_path) -> None:
    name = b"libaddax_test_of_finding.so.13"
    assert not library.emulation_finds(name)
    folder = tmp_path / "nvidia/cu13/lib"
    folder.mkdir(parents=True)
    shutil.copy(importlib.util.find_spec("_ctypes").origin, folder / name.decode())
    _core.set_package_folders(["/nowhere", str(tmp_path)])
    try:
        assert library.emulation_finds(name)
    finally:
        _core.set_package_folders([p for p in sys.path if p])


def wheel(*parts: str) -> Path | None:
    """A file of NVIDIA's wheels."""
    spec = importlib.util.find_spec("nvidia")
    folders = spec.submodule_search_locations if spec else []
    return next((p for f in folders or [] if (p := Path(f, "cu13", *parts)).exists()), None)


def test_declarations_are_those_of_the_header() -> None:
    header, runtime = wheel("include", "cublasLt.h"), wheel("include", "library_types.h")
    if not (header and runtime):
        pytest.skip("nvidia-cublas and nvidia-cuda-runtime are not installed")
    include = [f"-I{p}" for p in (ROOT, header.parent, runtime.parent)]
    source = ROOT / "tests/cuda/real/cublaslt_header.cc"
    subprocess.run([os.environ.get("CXX", "c++"), "-std=c++17", "-fsyntax-only", *include, source], check=True)
    declared = set(re.findall(r"\b(?:CUBLAS|CUDA_R_)\w+", (ROOT / "cuda/cublaslt_abi.h").read_text()))
    assert declared - set(re.findall(r"SAME\((\w+)\)", source.read_text())) == set()


def test_the_library_has_what_is_opened() -> None:
    path = wheel("lib", "libcublasLt.so.13")
    if not path:
        pytest.skip("nvidia-cublas is not installed")
    library = ctypes.CDLL(str(path))
    names = re.findall(r"X\([^,]+, (cublasLt\w+),", (ROOT / "cuda/cublaslt_abi.h").read_text())
    assert len(names) == 14
    assert [n for n in names if not hasattr(library, n)] == []


def test_the_library_takes_the_attributes_that_the_fake_takes(library) -> None:
    path = wheel("lib", "libcublasLt.so.13")
    if not path:
        pytest.skip("nvidia-cublas is not installed")
    real = ctypes.CDLL(str(path))
    kinds = {"MatrixLayout": (0, *map(ctypes.c_int64, (8, 8, 8))), "MatmulDesc": (68, 0), "MatmulPreference": ()}
    taken = []
    for kind, arguments in kinds.items():
        for attribute in range(16):
            for bytes_ in (4, 8):
                statuses = []
                for one in (library, real):
                    at = ctypes.c_void_p()
                    assert one[f"cublasLt{kind}Create"](ctypes.byref(at), *arguments) == 0
                    value = (ctypes.c_int32 * 2)(1, 0)
                    size = ctypes.c_size_t(bytes_)
                    statuses.append(one[f"cublasLt{kind}SetAttribute"](at, attribute, value, size))
                    one[f"cublasLt{kind}Destroy"](at)
                if statuses[0] == 0:
                    taken.append((kind, attribute, bytes_))
                    assert statuses[1] == 0, taken[-1]
    assert len(taken) == 12
