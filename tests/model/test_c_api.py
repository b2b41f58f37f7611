"""The C functions of libaddax, called through ctypes and from a program in C: good calls, and every error."""

from __future__ import annotations

import ctypes
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import addax
from addax import layers, ops

PACKAGE = Path(addax.__path__[0]).resolve()
LIBRARY = PACKAGE / "lib" / "libaddax.so"
HEADERS = PACKAGE / "include" if (PACKAGE / "include").is_dir() else Path(__file__).resolve().parents[2] / "cpp/include"

OK, ERROR, VALUE, SHAPE, DTYPE, MEMORY = range(6)
DTYPES = [
    "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "bfloat16",
    "float32", "float64",
]  # fmt: skip


class Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("device", ctypes.c_char_p),
        ("endpoint", ctypes.c_char_p),
        ("memory_limit", ctypes.c_int64),
        ("threads", ctypes.c_int32),
        ("verify", ctypes.c_int32),
        ("save_memory", ctypes.c_int32),
    ]


class LaterOptions(ctypes.Structure):
    """As a later version may have them."""

    _fields_ = [("known", Options), ("more", ctypes.c_int64)]


class Shape(ctypes.Structure):
    _fields_ = [("rank", ctypes.c_int32), ("dims", ctypes.c_int64 * 8)]


class Info(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("dtype", ctypes.c_int32),
        ("shape", Shape),
        ("size_names", ctypes.c_char_p * 8),
    ]


class CTensor(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_int32), ("shape", Shape), ("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t)]


@pytest.fixture(scope="module")
def c() -> ctypes.CDLL:
    library = ctypes.CDLL(str(LIBRARY))
    library.addax_version.restype = library.addax_last_error.restype = ctypes.c_char_p
    library.addax_dtype_size.restype = ctypes.c_size_t
    library.addax_model_free.restype = library.addax_state_free.restype = None
    library.addax_model_free.argtypes = library.addax_state_free.argtypes = [ctypes.c_void_p]
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    for name, arguments in {
        "load": [ctypes.c_char_p, pointer, pointer],
        "load_bytes": [ctypes.c_char_p, size, pointer, pointer],
        "num_endpoints": [pointer, pointer],
        "endpoint_name": [pointer, size, pointer],
        "endpoint": [pointer, ctypes.c_char_p, pointer],
        "num_inputs": [pointer, pointer],
        "num_outputs": [pointer, pointer],
        "input": [pointer, size, pointer],
        "output": [pointer, size, pointer],
        "output_shapes": [pointer, pointer, size, pointer, size],
        "prepare": [pointer, pointer, size, ctypes.c_int32],
        "run": [pointer, pointer, size, pointer, size],
        "has_state": [pointer, pointer],
        "initial_state": [pointer, pointer],
        "run_state": [pointer, pointer, pointer, size, pointer, size],
    }.items():
        getattr(library, f"addax_model_{name}").argtypes = arguments
    return library


def _shape(*dims: int) -> Shape:
    return Shape(len(dims), (ctypes.c_int64 * 8)(*dims))


def _tensor(array: np.ndarray) -> CTensor:
    return CTensor(DTYPES.index(array.dtype.name), _shape(*array.shape), array.ctypes.data, array.nbytes)


def _tensors(*arrays: np.ndarray | CTensor) -> Any:
    return (CTensor * len(arrays))(*[a if isinstance(a, CTensor) else _tensor(a) for a in arrays])


def _options(**fields: Any) -> Options:
    return Options(ctypes.sizeof(Options), **fields)


def _load(c: ctypes.CDLL, path: str, **options: Any) -> ctypes.c_void_p:
    model = ctypes.c_void_p()
    known = ctypes.byref(_options(device=b"cpu", **options))
    assert c.addax_model_load(path.encode(), known, ctypes.byref(model)) == OK, c.addax_last_error()
    return model


@pytest.fixture(scope="module")
def mlp() -> Any:
    addax.utils.set_random_seed(5)
    return addax.Sequential([addax.Input((8,)), layers.Dense(16, "relu"), layers.Dense(4, name="scores")])


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory, mlp: Any) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("c")
    mlp.export(str(folder / "mlp.addax"), verbose=False)
    archive = addax.export.ExportArchive()
    pair = [addax.InputSpec(shape=(None, 3)), addax.InputSpec(shape=(None, 3))]
    archive.add_endpoint("first", lambda a, b: (a + b, a * b), pair)
    archive.add_endpoint("second", lambda a, b: a - b, pair)
    archive.write_out(str(folder / "pair.addax"), verbose=False)
    state = addax.Sequential([addax.Input(batch_shape=(1, 3, 2)), layers.LSTM(2, stateful=True)])
    state.export(str(folder / "state.addax"), verbose=False)
    return {p.stem: str(p) for p in folder.iterdir()}


@pytest.fixture
def model(c: ctypes.CDLL, paths: dict[str, str]) -> Any:
    handle = _load(c, paths["mlp"])
    yield handle
    c.addax_model_free(handle)


def _x(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)


def test_version_and_dtypes(c: ctypes.CDLL) -> None:
    assert c.addax_version().decode() == addax.__version__
    for i, name in enumerate(DTYPES):
        dtype = ml_dtypes.bfloat16 if name == "bfloat16" else name
        assert c.addax_dtype_size(i) == np.dtype(dtype).itemsize
    assert c.addax_dtype_size(-1) == c.addax_dtype_size(13) == 0


def test_what_a_model_takes_and_gives(c: ctypes.CDLL, model: Any) -> None:
    count = ctypes.c_size_t()
    for function, read, name, last in [
        (c.addax_model_num_inputs, c.addax_model_input, None, 8),
        (c.addax_model_num_outputs, c.addax_model_output, b"scores", 4),
    ]:
        assert function(model, ctypes.byref(count)) == OK
        assert count.value == 1
        info = Info(size=ctypes.sizeof(Info))
        assert read(model, 0, ctypes.byref(info)) == OK
        assert info.name == name or (name is None and info.name)
        assert DTYPES[info.dtype] == "float32"
        assert (info.shape.rank, list(info.shape.dims)) == (2, [-1, last] + [0] * 6)
        assert list(info.size_names) == [b"batch"] + [b""] * 7


@pytest.mark.parametrize("rows", [1, 5, 0])
def test_run(c: ctypes.CDLL, model: Any, mlp: Any, rows: int) -> None:
    x = _x(rows)
    shapes, given = (Shape * 1)(), (Shape * 1)(_shape(rows, 8))
    assert c.addax_model_output_shapes(model, given, 1, shapes, 1) == OK
    assert (shapes[0].rank, list(shapes[0].dims)) == (2, [rows, 4] + [0] * 6)
    assert c.addax_model_prepare(model, given, 1, 2) == OK
    y = np.full((rows, 4), np.nan, np.float32)
    assert c.addax_model_run(model, _tensors(x), 1, _tensors(y), 1) == OK, c.addax_last_error()
    if rows:
        np.testing.assert_allclose(y, mlp.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_loads_bytes_and_options(c: ctypes.CDLL, paths: dict[str, str], mlp: Any) -> None:
    data = Path(paths["mlp"]).read_bytes()
    x, y = _x(2), np.zeros((2, 4), np.float32)
    # All options, none, those of a version that had only the size, and of a later one that are as by default.
    full = _options(device=b"cpu", endpoint=b"serve", memory_limit=2**30, threads=0, verify=1)
    short = Options(8, b"not read", b"not read")
    later = LaterOptions(_options())
    later.known.size = ctypes.sizeof(LaterOptions)
    for options in (full, None, short, later):
        model = ctypes.c_void_p()
        by = options and ctypes.byref(options)
        assert c.addax_model_load_bytes(data, len(data), by, ctypes.byref(model)) == OK, c.addax_last_error()
        assert c.addax_model_run(model, _tensors(x), 1, _tensors(y), 1) == OK, c.addax_last_error()
        np.testing.assert_allclose(y, mlp.predict(x, verbose=0), rtol=1e-5, atol=1e-6)
        c.addax_model_free(model)


def test_endpoints(c: ctypes.CDLL, paths: dict[str, str]) -> None:
    model, second, count, name = _load(c, paths["pair"]), ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_char_p()
    assert c.addax_model_num_endpoints(model, ctypes.byref(count)) == OK
    assert count.value == 2
    names = []
    for i in range(2):
        assert c.addax_model_endpoint_name(model, i, ctypes.byref(name)) == OK
        names.append(name.value)
    assert names == [b"first", b"second"]
    assert c.addax_model_endpoint(model, b"second", ctypes.byref(second)) == OK
    a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.full((2, 3), 2, np.float32)
    results = [np.zeros((2, 3), np.float32) for _ in range(3)]
    assert c.addax_model_run(model, _tensors(a, b), 2, _tensors(*results[:2]), 2) == OK
    c.addax_model_free(model)  # the other handle keeps the file
    assert c.addax_model_run(second, _tensors(a, b), 2, _tensors(results[2]), 1) == OK
    c.addax_model_free(second)
    for result, expected in zip(results, (a + b, a * b, a - b), strict=True):
        np.testing.assert_array_equal(result, expected)


def test_every_dtype_passes(c: ctypes.CDLL, tmp_path: Path) -> None:
    archive = addax.export.ExportArchive()
    archive.add_endpoint(
        "flip", lambda *xs: [ops.flip(x, axis=0) for x in xs], [addax.InputSpec(shape=(None,), dtype=d) for d in DTYPES]
    )
    archive.write_out(str(tmp_path / "all.addax"), verbose=False)
    model = _load(c, str(tmp_path / "all.addax"))
    inputs = [np.array([0, 1, 1]).astype(ml_dtypes.bfloat16 if d == "bfloat16" else d) for d in DTYPES]
    outputs = [np.zeros_like(x) for x in inputs]
    status = c.addax_model_run(model, _tensors(*inputs), len(inputs), _tensors(*outputs), len(outputs))
    assert status == OK, c.addax_last_error()
    c.addax_model_free(model)
    for x, y in zip(inputs, outputs, strict=True):
        assert y.tolist() == x[::-1].tolist()


def test_state(c: ctypes.CDLL, paths: dict[str, str], model: Any) -> None:
    recurrent, has, states = _load(c, paths["state"]), ctypes.c_int32(), [ctypes.c_void_p() for _ in range(2)]
    assert c.addax_model_has_state(model, ctypes.byref(has)) == OK
    assert has.value == 0
    assert c.addax_model_has_state(recurrent, ctypes.byref(has)) == OK
    assert has.value == 1
    for state in states:
        assert c.addax_model_initial_state(recurrent, ctypes.byref(state)) == OK
    expected = addax.export.load(paths["state"])
    moving = expected.initial_state()
    x = np.random.default_rng(0).normal(size=(1, 3, 2)).astype(np.float32)
    results = []
    y = np.zeros((1, 2), np.float32)

    def run(state: Any, *outputs: Any) -> int:
        return c.addax_model_run_state(recurrent, state, _tensors(x), 1, _tensors(*outputs), len(outputs))

    for state in (states[0], states[0], states[1]):
        # A run that fails leaves the state.
        assert run(state, np.zeros((1, 3), np.float32)) == SHAPE
        assert run(state, y) == OK, c.addax_last_error()
        results.append(y.copy())
    assert (results[0] == results[2]).all()
    assert not np.allclose(results[0], results[1])
    np.testing.assert_allclose(results[0], np.asarray(expected(x, state=moving)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(results[1], np.asarray(expected(x, state=moving)), rtol=1e-5, atol=1e-6)

    assert c.addax_model_run(recurrent, _tensors(x), 1, _tensors(y), 1) == VALUE
    assert b"state" in c.addax_last_error()
    assert c.addax_model_run_state(recurrent, None, _tensors(x), 1, _tensors(y), 1) == VALUE
    other = ctypes.c_void_p()
    assert c.addax_model_initial_state(model, ctypes.byref(other)) == OK
    assert run(other, y) == VALUE
    for state in (*states, other, None):
        c.addax_state_free(state)
    c.addax_model_free(recurrent)
    c.addax_model_free(None)


def test_errors_of_load(c: ctypes.CDLL, paths: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "nonsense").write_bytes(b"nonsense")
    mlp = paths["mlp"].encode()
    later = LaterOptions(_options(), 1)
    later.known.size = ctypes.sizeof(LaterOptions)
    damaged = bytearray(Path(paths["mlp"]).read_bytes())
    damaged[-64] ^= 255  # where the last tensor begins
    (tmp_path / "damaged").write_bytes(damaged)
    for path, options, status, said in [
        (None, None, VALUE, b"expected path, got NULL"),
        (str(tmp_path / "none").encode(), None, ERROR, b"none"),
        (str(tmp_path / "nonsense").encode(), None, VALUE, b"nonsense"),
        (str(tmp_path / "damaged").encode(), _options(verify=1), VALUE, b"damaged"),
        (mlp, _options(device=b"toaster"), VALUE, b"toaster"),
        (mlp, _options(endpoint=b"other"), VALUE, b"no endpoint 'other'"),
        (mlp, _options(threads=-1), VALUE, b"threads"),
        (mlp, Options(0), VALUE, b"options.size"),
        (mlp, later, VALUE, b"later version"),
    ]:
        model = ctypes.c_void_p(1)
        assert c.addax_model_load(path, options and ctypes.byref(options), ctypes.byref(model)) == status, said
        assert c.addax_last_error().startswith(b"addax_model_load: ")
        assert said in c.addax_last_error()
        assert not model
    assert c.addax_model_load(mlp, None, None) == VALUE
    model = ctypes.c_void_p()
    assert c.addax_model_load_bytes(None, 5, None, ctypes.byref(model)) == VALUE
    assert c.addax_model_load_bytes(b"", 0, None, ctypes.byref(model)) == VALUE
    assert c.addax_model_load_bytes(b"ab", 2, None, ctypes.byref(model)) == VALUE
    assert not model


def test_null_pointers_and_indices(c: ctypes.CDLL, model: Any) -> None:
    count, name, handle = ctypes.c_size_t(7), ctypes.c_char_p(), ctypes.c_void_p()
    info, flag = Info(size=ctypes.sizeof(Info)), ctypes.c_int32()
    shape, by = (Shape * 1)(_shape(1, 8)), ctypes.byref
    x, y = _tensors(_x(1)), _tensors(np.zeros((1, 4), np.float32))
    calls: list[tuple[Callable, tuple]] = [
        (c.addax_model_num_endpoints, (None, by(count))),
        (c.addax_model_num_endpoints, (model, None)),
        (c.addax_model_endpoint_name, (None, 0, by(name))),
        (c.addax_model_endpoint_name, (model, 0, None)),
        (c.addax_model_endpoint_name, (model, 1, by(name))),
        (c.addax_model_endpoint, (None, b"serve", by(handle))),
        (c.addax_model_endpoint, (model, None, by(handle))),
        (c.addax_model_endpoint, (model, b"serve", None)),
        (c.addax_model_endpoint, (model, b"none", by(handle))),
        (c.addax_model_num_inputs, (None, by(count))),
        (c.addax_model_num_inputs, (model, None)),
        (c.addax_model_num_outputs, (None, by(count))),
        (c.addax_model_num_outputs, (model, None)),
        (c.addax_model_input, (None, 0, by(info))),
        (c.addax_model_input, (model, 0, None)),
        (c.addax_model_input, (model, 1, by(info))),
        (c.addax_model_input, (model, 0, by(Info(size=8)))),
        (c.addax_model_output, (None, 0, by(info))),
        (c.addax_model_output, (model, 0, None)),
        (c.addax_model_output, (model, 2**40, by(info))),
        (c.addax_model_output_shapes, (None, shape, 1, shape, 1)),
        (c.addax_model_output_shapes, (model, None, 1, shape, 1)),
        (c.addax_model_output_shapes, (model, shape, 1, None, 1)),
        (c.addax_model_output_shapes, (model, shape, 0, shape, 1)),
        (c.addax_model_output_shapes, (model, shape, 1, shape, 0)),
        (c.addax_model_prepare, (None, shape, 1, 1)),
        (c.addax_model_prepare, (model, None, 1, 1)),
        (c.addax_model_prepare, (model, shape, 1, -1)),
        (c.addax_model_run, (None, x, 1, y, 1)),
        (c.addax_model_run, (model, None, 1, y, 1)),
        (c.addax_model_run, (model, x, 1, None, 1)),
        (c.addax_model_run, (model, x, 0, y, 1)),
        (c.addax_model_run, (model, x, 1, y, 0)),
        (c.addax_model_has_state, (None, by(flag))),
        (c.addax_model_has_state, (model, None)),
        (c.addax_model_initial_state, (None, by(handle))),
        (c.addax_model_initial_state, (model, None)),
        (c.addax_model_run_state, (None, None, x, 1, y, 1)),
        (c.addax_model_run_state, (model, None, x, 1, y, 1)),
    ]
    for function, arguments in calls:
        assert function(*arguments) == VALUE, (function.__name__, arguments)
        assert c.addax_last_error().startswith(f"{function.__name__}: ".encode())
    assert count.value == 7
    assert not handle


def test_errors_of_run(c: ctypes.CDLL, model: Any, paths: dict[str, str]) -> None:
    x, y = _x(2), np.zeros((2, 4), np.float32)

    def changed(array: np.ndarray, **fields: Any) -> CTensor:
        tensor = _tensor(array)
        for key, value in fields.items():
            setattr(tensor, key, value)
        return tensor

    both = np.zeros(24, np.float32)
    for inputs, outputs, status, said in [
        (changed(x, dtype=13), y, DTYPE, b"no dtype 13"),
        (changed(x, dtype=-1), y, DTYPE, b"no dtype -1"),
        (x.astype(np.float64), y, DTYPE, b"float32"),
        (x, y.astype(np.int32), DTYPE, b"float32"),
        (x[:, :7].copy(), y, SHAPE, b"8"),
        (x.reshape(16), y, SHAPE, b""),
        (x, y[:1].copy(), SHAPE, b"(2, 4)"),
        (x, y.reshape(8), SHAPE, b"(2, 4)"),
        (changed(x, shape=Shape(9)), y, SHAPE, b"rank"),
        (changed(x, shape=Shape(-1)), y, SHAPE, b"rank"),
        (changed(x, shape=_shape(-2, 8)), y, SHAPE, b"0 or more"),
        (changed(x, shape=_shape(2**62, 8)), y, SHAPE, b""),
        (changed(x, shape=_shape(2**59, 8)), y, SHAPE, b""),
        (changed(x, bytes=63), y, SHAPE, b"63 bytes"),
        (x, changed(y, bytes=31), SHAPE, b"31 bytes"),
        (changed(x, data=None), y, VALUE, b"expected data, got NULL"),
        (x, changed(y, data=None), VALUE, b"expected data, got NULL"),
        (changed(x, data=x.ctypes.data + 1), y, VALUE, b"aligned"),
        (both[:16].reshape(2, 8), both[15:23].reshape(2, 4), VALUE, b"overlaps input 0"),
    ]:
        assert c.addax_model_run(model, _tensors(inputs), 1, _tensors(outputs), 1) == status, said
        assert c.addax_last_error().startswith(b"addax_model_run: ")
        assert said in c.addax_last_error()
    assert (y == 0).all()

    pair = _load(c, paths["pair"])
    a, result = np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)
    assert c.addax_model_run(pair, _tensors(a, a), 2, _tensors(result, result), 2) == VALUE
    assert b"overlaps output 0" in c.addax_last_error()
    assert c.addax_model_run(pair, _tensors(a, a[:1].copy()), 2, _tensors(result, a.copy()), 2) == SHAPE
    c.addax_model_free(pair)

    small = _load(c, paths["mlp"], memory_limit=64)
    big = np.zeros((1000, 8), np.float32)
    assert c.addax_model_run(small, _tensors(big), 1, _tensors(np.zeros((1000, 4), np.float32)), 1) == MEMORY
    assert b"memory_limit" in c.addax_last_error()
    c.addax_model_free(small)


def test_threads_share_a_model_and_have_their_own_errors(c: ctypes.CDLL, model: Any, mlp: Any) -> None:
    x = [_x(k + 1, k) for k in range(4)]
    expected = [mlp.predict(a, verbose=0) for a in x]
    problems: list[Any] = []
    barrier = threading.Barrier(4)

    def work(k: int) -> None:
        if c.addax_last_error() != b"":
            problems.append(c.addax_last_error())
        c.addax_model_endpoint(model, b"name%d" % k, ctypes.byref(ctypes.c_void_p()))
        barrier.wait()
        if b"name%d" % k not in c.addax_last_error():
            problems.append(c.addax_last_error())
        for _ in range(200):
            y = np.zeros((k + 1, 4), np.float32)
            if c.addax_model_run(model, _tensors(x[k]), 1, _tensors(y), 1) != OK:
                problems.append(c.addax_last_error())
            elif not np.allclose(y, expected[k], rtol=1e-5, atol=1e-6):
                problems.append(y)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems


PROGRAM = r"""
#include <addax/c_api.h>
#include <stdio.h>
#include <string.h>

static int check(addax_status status) {
  if (status != ADDAX_OK) fprintf(stderr, "%s\n", addax_last_error());
  return status != ADDAX_OK;
}

int main(int argc, char** argv) {
  addax_load_options options;
  addax_model* model = NULL;
  addax_tensor x, y;
  float in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[4];
  int i;
  if (argc != 2) return 2;
  memset(&options, 0, sizeof options);
  options.size = sizeof options;
  options.device = "cpu";
  if (check(addax_model_load(argv[1], &options, &model))) return 1;
  memset(&x, 0, sizeof x);
  x.dtype = ADDAX_FLOAT32;
  x.shape.rank = 2;
  x.shape.dims[0] = 1;
  x.shape.dims[1] = 8;
  x.data = in;
  x.bytes = sizeof in;
  y = x;
  y.data = out;
  y.bytes = sizeof out;
  if (check(addax_model_output_shapes(model, &x.shape, 1, &y.shape, 1))) return 1;
  if (check(addax_model_run(model, &x, 1, &y, 1))) return 1;
  for (i = 0; i < 4; ++i) printf("%.9g ", out[i]);
  addax_model_free(model);
  return 0;
}
"""


def test_a_program_in_c(paths: dict[str, str], mlp: Any, tmp_path: Path) -> None:
    (tmp_path / "program.c").write_text(PROGRAM)
    command = [
        "cc",
        "-std=c99",
        "-Wall",
        "-Wextra",
        "-pedantic",
        "-Werror",
        f"-I{HEADERS}",
        str(tmp_path / "program.c"),
    ]
    command += ["-o", str(tmp_path / "program"), str(LIBRARY), f"-Wl,-rpath,{LIBRARY.parent}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    done = subprocess.run([str(tmp_path / "program"), paths["mlp"]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = mlp.predict(np.arange(1, 9, dtype=np.float32)[None], verbose=0)[0]
    np.testing.assert_allclose([float(v) for v in done.stdout.split()], expected, rtol=1e-5, atol=1e-6)
