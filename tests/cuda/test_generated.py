"""Kernels generated for programs: every row, every way that an array lies; when and how they are compiled."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from addax import engine
from addax.compiled import CompiledFunction
from tests.cuda.build import ROOT
from tests.cuda.nvrtc import Nvrtc, path_of_nvrtc
from tests.cuda.test_programs import GELU, check, values
from tests.samples import Sample, samples
from tests.table.helpers import bits, run

pytestmark = [pytest.mark.emulated]

OTHERS = {"cast", "where", "stop_gradient"}
ELEMENTWISE = {row["name"] for row in engine.op_table() if row["family"] == "elementwise"} - OTHERS
ROWS = {
    dtype: sorted({(s.op, len(s.inputs())) for s in samples() if s.op in ELEMENTWISE and dtype in s.dtypes})
    for dtype in ("float32", "float16", "float64", "int32", "int64", "uint8", "bool")
}
RESULTS = 8  # of a program at most
EVERY = [
    pytest.param(dtype, rows[i : i + RESULTS], id=f"{dtype}-{rows[i][0]}")
    for dtype, rows in ROWS.items()
    for i in range(0, len(rows), RESULTS)
]
SUM = "add 0 1;multiply 2 1;tanh 3"


def lines_of(rows) -> str:
    """A program of these rows over the first operands."""
    return ";".join(" ".join([name, *"012"[:count]]) for name, count in rows)


def sum_of(x, y):
    return engine.apply("fused", x, y, program=SUM, dtypes="float32 float32", results=(4,))


def operands() -> list[engine.Tensor]:
    return [values((6, 8), "float32").to("cuda:0"), values((8,), "float32", 1).to("cuda:0")]


@pytest.fixture
def cache(compiler, monkeypatch, tmp_path):
    """An empty folder for compiled kernels."""
    monkeypatch.setenv("ADDAX_CACHE_DIR", str(tmp_path))
    return tmp_path / "kernels"


@pytest.mark.parametrize(("dtype", "rows"), EVERY)
@pytest.mark.usefixtures("compiler")
def test_every_row(dtype: str, rows) -> None:
    tensors = [values((37,), dtype, seed) for seed in range(3)]
    check("fused", tensors, lines_of(rows), tuple(range(3, 3 + len(rows))))


@pytest.mark.parametrize("sample", [pytest.param(s, id=str(s)) for s in samples() if s.op == "fused"])
def test_samples(sample: Sample, compiler) -> None:
    """The bits of the interpreter."""
    tensors = [engine.tensor(a).to("cuda:0") for a in sample.inputs()]
    got = [bits(t) for t in run(sample, tensors)]
    compiler.emulation_use_nvrtc(0)
    assert got == [bits(t) for t in run(sample, tensors)]


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.usefixtures("compiler")
def test_every_layout(dtype: str) -> None:
    """Dense, broadcast to lines and columns, of one value, in another order, backwards; whole vectors and not."""
    for width in (16, 12, 13):
        whole, line, column, single, turned, wide = (
            values(shape, dtype, seed).to("cuda:0")
            for seed, shape in enumerate([(6, 9, width), (width,), (9, 1), (1, 1), (width, 9, 6), (6, 9, 2 * width)])
        )
        turned = engine.apply("transpose", turned, axes=(2, 1, 0))
        program = "add 0 1;multiply 6 2;add 7 3;subtract 8 4;add 9 5"
        check("fused", [whole, line, column, single, turned, wide[:, ::-1, ::2]], program, (10, 7))


@pytest.mark.usefixtures("compiler")
def test_a_vector_needs_its_alignment() -> None:
    for shift in (0, 1, 4):
        x = values((60,), "float32").to("cuda:0")[shift : shift + 40]
        check("fused", [x, values((40,), "float16", 1)], "cast.float32 1;add 0 2;cast.float16 3;multiply 4 1", (3, 5))


@pytest.mark.usefixtures("compiler")
def test_scalars_and_empty_ends() -> None:
    for count in (1, 3, 5, 1025):
        check("fused", [values((count,), "float32"), values((), "float32", 1)], SUM, (4, 2))


def test_captured(cache, compiler) -> None:
    """Compiled in the first run, captured in the second."""
    function = CompiledFunction(lambda x, y: engine.apply("tanh", (x + y) * y))
    got = [bits(function(*operands())) for _ in range(2)]
    launches, captured = compiler.emulation_loaded_launches(), compiler.emulation_captured_launches()
    got += [bits(function(*operands())) for _ in range(2)]
    assert compiler.emulation_loaded_launches() <= launches + 1  # written down once
    assert compiler.emulation_captured_launches() > captured
    assert len(list(cache.iterdir())) == 1
    x, y = operands()
    assert set(got) == {bits(engine.apply("tanh", (x + y) * y))}


def test_compiled_once(cache, compiler) -> None:
    before = compiler.nvrtc_compilations()
    with ThreadPoolExecutor(4) as pool:
        results = [bits(r) for r in pool.map(lambda _: sum_of(*operands()), range(8))]
    assert len(set(results)) == 1
    assert compiler.nvrtc_compilations() == before + 1
    compiler.emulation_use_nvrtc(1)  # which forgets it
    assert bits(sum_of(*operands())) == results[0]
    assert compiler.nvrtc_compilations() == before + 1  # it came from the disk
    check("fused", operands(), "add 0 1;tanh 2", (3,))
    assert compiler.nvrtc_compilations() == before + 2


def test_a_refused_text_is_interpreted(cache, compiler, capfd) -> None:
    expected = bits(sum_of(*operands()))
    compiler.emulation_use_nvrtc(1)
    compiler.nvrtc_refuse(1)
    for file in cache.iterdir():
        file.unlink()
    launches = compiler.emulation_loaded_launches()
    assert [bits(sum_of(*operands())) for _ in range(2)] == [expected] * 2
    assert compiler.emulation_loaded_launches() == launches
    told = capfd.readouterr().err
    assert told.count("addax: NVRTC 13.0 does not compile a kernel for sm_90, which is interpreted instead") == 1
    assert "error: refused" in told
    assert not list(cache.iterdir())


def test_off(cache, compiler, monkeypatch) -> None:
    assert engine.device_info("cuda:0")["libraries"]["NVRTC"] == f"13.0, kernels of fused rows in {cache}"
    expected, launches = bits(sum_of(*operands())), compiler.emulation_loaded_launches()
    monkeypatch.setenv("ADDAX_NVRTC", "0")
    compiler.emulation_use_nvrtc(1)
    assert bits(sum_of(*operands())) == expected
    assert compiler.emulation_loaded_launches() == launches
    monkeypatch.setenv("ADDAX_NVRTC", "33")
    for rows, least in ((4, 0), (6, 1)):
        compiler.emulation_use_nvrtc(1)
        x = values((rows, 8), "float32").to("cuda:0")
        sum_of(x, operands()[1])
        assert compiler.emulation_loaded_launches() == launches + least
    monkeypatch.setenv("ADDAX_NVRTC", "0")
    compiler.emulation_use_nvrtc(1)
    assert engine.device_info("cuda:0")["libraries"]["NVRTC"] == "off, by ADDAX_NVRTC"
    monkeypatch.delenv("ADDAX_NVRTC")
    compiler.emulation_use_nvrtc(0)
    assert 'pip install "addax[cuda]"' in engine.device_info("cuda:0")["libraries"]["NVRTC"]


def test_a_damaged_file_is_replaced(cache, compiler) -> None:
    expected, before = bits(sum_of(*operands())), compiler.nvrtc_compilations()
    (file,) = cache.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:20], whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), b"x" + whole[1:], b"x" * 5000):
        file.write_bytes(damaged)
        compiler.emulation_use_nvrtc(1)
        assert bits(sum_of(*operands())) == expected
        assert file.read_bytes() == whole or len(file.read_bytes()) > 5000
        before += 1
        assert compiler.nvrtc_compilations() == before


@pytest.mark.parametrize("folder", ["/dev/null", "/proc/addax"])
def test_no_folder(cache, compiler, monkeypatch, folder: str) -> None:
    expected = bits(sum_of(*operands()))
    monkeypatch.setenv("ADDAX_CACHE_DIR", folder)
    compiler.emulation_use_nvrtc(1)
    before = compiler.nvrtc_compilations()
    assert bits(sum_of(*operands())) == expected
    assert compiler.nvrtc_compilations() == before + 1


def test_the_oldest_go(cuda, tmp_path) -> None:
    cuda.emulation_cache_find.restype = ctypes.c_char_p
    folder, content, most = str(tmp_path).encode(), b"x" * 1000, ctypes.c_int64(3500)
    (tmp_path / "other.txt").write_bytes(b"y" * 9000)
    for i, key in enumerate([b"a", b"b", b"c"]):
        known = set(tmp_path.iterdir())
        cuda.emulation_cache_keep(folder, most, key, content)
        (new,) = set(tmp_path.iterdir()) - known
        os.utime(new, (100 + i, 100 + i))
    assert cuda.emulation_cache_find(folder, b"a") == content  # and is the last used now
    cuda.emulation_cache_keep(folder, most, b"d", content)
    found = {key: cuda.emulation_cache_find(folder, key) for key in (b"a", b"b", b"c", b"d", b"e")}
    assert found == {b"a": content, b"b": b"", b"c": content, b"d": content, b"e": b""}
    assert (tmp_path / "other.txt").exists()


OTHER = """
from tests.cuda import test_generated as t
from tests.cuda.build import emulation
emulation().emulation_use_nvrtc(1)
print(hash(t.bits(t.sum_of(*t.operands()))), emulation().nvrtc_compilations())
"""


def test_two_processes(cache, compiler) -> None:
    def start() -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "-c", OTHER], cwd=ROOT, stdout=subprocess.PIPE, text=True, env=env)

    env = {**os.environ, "PYTHONHASHSEED": "0", "ADDAX_CACHE_DIR": str(cache.parent)}
    both = [start(), start()]
    told = [p.communicate(timeout=300)[0].split() for p in both]
    told.append(start().communicate(timeout=300)[0].split())
    assert len({value for value, _ in told}) == 1
    assert told[2][1] == "0"  # a third finds it
    assert len(list(cache.iterdir())) == 1
    sum_of(*operands())
    assert len(list(cache.iterdir())) == 1


CASTS = "cast.float32 0;cast.float32 1;multiply 2 3;cast.bfloat16 4;add 5 1"
REAL = {
    "gelu": ("float32 float32", [(64, 48), (48,)], GELU, (7,)),
    "16-bit": ("float16 bfloat16", [(64, 48), (64, 1)], CASTS, (5, 6)),
    "wide": ("float64 int64", [(64, 48), (48,)], "power 0 1;atan2 2 0;isnan 3;where 4 0 3;erfinv 5", (5, 6)),
    "integers": ("uint8 int32 bool", [(64, 48), (48,), ()], "add 0 1;floor_divide 3 1;where 2 3 4;cast.uint64 5", (6,)),
}


@pytest.mark.skipif(path_of_nvrtc() is None, reason="nvidia-cuda-nvrtc is not installed")
@pytest.mark.parametrize("case", [*REAL, *(p.id for p in EVERY)])
def test_nvrtc_takes_the_text(case: str, cuda, monkeypatch) -> None:
    """Without a warning, programs as models have them for every architecture, all rows for one."""
    if case in REAL:
        dtypes, shapes, program, results = REAL[case]
    else:
        dtype, rows = next(p.values for p in EVERY if p.id == case)
        dtypes, shapes, program = f"{dtype} {dtype} {dtype}", [(64, 48)] * 3, lines_of(rows)
        results = tuple(range(3, 3 + len(rows)))
    tensors = [values(s, d, i).to("cuda:0") for i, (s, d) in enumerate(zip(shapes, dtypes.split(), strict=True))]
    monkeypatch.setenv("ADDAX_NVRTC", "1")
    cuda.nvrtc_refuse(1)
    cuda.emulation_use_nvrtc(1)
    try:
        engine.apply("fused", *tensors, program=program, dtypes=dtypes, results=results)
    finally:
        cuda.nvrtc_refuse(0)
        cuda.emulation_use_nvrtc(0)
    real = Nvrtc(cuda)
    for capability in (75, 80, 90, 100) if case in REAL else (90,):
        log, binary = real.compile(capability)
        assert log == ""
        assert binary[:4] == b"\x7fELF"
