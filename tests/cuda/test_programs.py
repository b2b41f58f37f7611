"""Programs of elementwise rows on the emulated device: the bits of their rows run there one by one."""

import numpy as np
import pytest

from addax import engine
from tests.cuda.build import emulation
from tests.table.helpers import bits

GELU = "multiply 0 0;multiply 2 0;add 3 1;tanh 4;add 5 1;multiply 6 0"
# Results of so many rows at once do not fit into a block's shared memory.
ROWS = ("add", "subtract", "multiply", "maximum", "minimum", "divide") * 3
SUMS = [f"add {i} {2 if i == 3 else 16 + i}" for i in range(3, 2 + len(ROWS))]
LONG = ";".join([*(f"{op} 0 1" for op in ROWS), *SUMS])


@pytest.fixture(params=["interpreter", "kernels of their own"])
def way(request):
    """How programs run."""
    if request.param != "interpreter":
        request.getfixturevalue("compiler")


def values(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * 3
    if dtype == "bool":
        return engine.tensor(x > 0)
    if dtype.startswith(("int", "uint")):
        return engine.tensor(rng.integers(1, 7, shape).astype(dtype))
    return engine.apply("cast", engine.tensor(x), dtype=dtype)


def row_by_row(operands, program):
    """All operands of the program, by the rows themselves."""
    operands = list(operands)
    for line in program.split(";"):
        name, *places = line.split()
        name, _, dtype = name.partition(".")
        attrs = {"dtype": dtype} if dtype else {}
        operands.append(engine.apply(name, *(operands[int(p)] for p in places), **attrs))
    return operands


def check(op, tensors, program, results, first=None, **attrs):
    """`first`: from the tensors to the program's own operands, if they differ."""
    on_device = [t.to("cuda:0") for t in tensors]
    operands = first(on_device) if first else on_device
    dtypes = " ".join(t.dtype for t in operands)
    expected = row_by_row(operands, program)
    for backwards in (0, 1):
        if engine.device_info("cuda:0")["name"] == "emulated device":
            emulation().emulation_set_reversed(backwards)
        out = engine.apply(op, *on_device, program=program, dtypes=dtypes, results=results, **attrs)
        out = out if isinstance(out, (list, tuple)) else [out]
        assert [bits(t) for t in out] == [bits(expected[r]) for r in results]


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("shapes", [((7, 12), (12,)), ((7, 13), (1, 1)), ((5, 1, 8), (4, 1)), ((3, 4), (3, 4))])
def test_floats(dtype: str, shapes) -> None:
    check("fused", [values(s, dtype, i) for i, s in enumerate(shapes)], GELU, (7, 4))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"])
def test_integers(dtype: str) -> None:
    program = "multiply 0 1;power 2 1;floor_divide 3 0;less 4 1;where 5 3 0;neg 6"
    check("fused", [values((6, 9), dtype), values((9,), dtype, 1)], program, (7, 5))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("dtypes", "program"),
    [
        (("float16", "float32"), "cast.float32 0;multiply 2 1;cast.float16 3;add 4 0;cast.float32 5"),
        (("int8", "float32"), "add 0 1;cast.int32 2;add 3 0;cast.bool 4;logical_and 5 1"),
        (("bool", "int64"), "add 0 1;cast.float64 2;exp 3;cast.uint8 4;where 0 1 1"),
        (("uint64", "float64"), "cast.float64 0;multiply 2 1;cast.uint64 3;bitwise_and 4 0;isnan 3"),
        (("bfloat16", "bool"), "where 1 0 0;neg 2;greater 0 3;logical_not 4;bitwise_xor 4 5"),
    ],
)
def test_mixed(dtypes, program: str) -> None:
    last = 1 + len(program.split(";"))
    tensors = [values((11, 3), d, i) for i, d in enumerate(dtypes)]
    check("fused", tensors, program, tuple(range(2, last + 1)))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_more_values_than_cells(dtype: str) -> None:
    last = 1 + len(LONG.split(";"))
    check("fused", [values((400,), dtype), values((400,), dtype, 1)], LONG, (last,))
    check("matmul_fused", [values((5, 6), dtype), values((6, 7), dtype, 1), values((7,), dtype, 2)], LONG, (last,),
          lambda t: [engine.apply("matmul", t[0], t[1]), t[2]])  # fmt: skip


def test_too_many_arrays() -> None:
    tensors = [values((3,), "float32").to("cuda:0")] * 33
    with pytest.raises(
        ValueError, match="fused: a program on a device reads 32 arrays and returns 8 at most, got 33 and 1"
    ):
        engine.apply("fused", *tensors, program="add 0 32", dtypes=" ".join(["float32"] * 33), results=(33,))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int32"])
@pytest.mark.parametrize(("m", "k", "n"), [(70, 20, 66), (3, 9000, 5)])
def test_products(dtype: str, m: int, k: int, n: int) -> None:
    tensors = [values((2, m, k), dtype), values((k, n), dtype, 1), values((n,), dtype, 2)]
    program = "add 0 1;relu 2;multiply 3 0" if dtype != "int32" else "add 0 1;maximum 2 1;multiply 3 0"
    check("matmul_fused", tensors, program, (4, 3), lambda t: [engine.apply("matmul", t[0], t[1]), t[2]])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_convolutions(dtype: str) -> None:
    conv = {"strides": (1, 1), "low": (1, 1), "high": (1, 1), "dilation": (1, 1), "groups": 2}
    tensors = [values((2, 9, 7, 6), dtype), values((3, 3, 3, 10), dtype, 1), values((10,), dtype, 2)]
    check("conv_fused", tensors, "add 0 1;relu 2", (3,), lambda t: [engine.apply("conv", t[0], t[1], **conv), t[2]],
          **conv)  # fmt: skip


@pytest.mark.parametrize("reduction", ["sum", "max", "logsumexp"])
@pytest.mark.parametrize("axes", [(), (0,), (1,)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_reductions(reduction: str, axes, dtype: str) -> None:
    a, b = values((130, 70), dtype), values((70,), dtype, 1)
    on_device = [a.to("cuda:0"), b.to("cuda:0")]
    product = engine.apply("multiply", *on_device)
    expected = [engine.apply(reduction, product, axes=axes, keepdims=False), product]
    out = engine.apply("reduce_fused", *on_device, program="multiply 0 1", dtypes=f"{dtype} {dtype}", results=(2, 2),
                       reduction=reduction, axes=axes, keepdims=False)  # fmt: skip
    assert [bits(t) for t in out] == [bits(t) for t in expected]
