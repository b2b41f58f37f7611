"""Every row traced and replayed: the same bits as run eagerly, forward and backward; its graph as text and back."""

import numpy as np
import pytest

import addax
from addax import engine
from addax.compiled import CompiledFunction
from tests.samples import FLOATS, Sample, samples
from tests.table.helpers import bits, cast_inputs, differentiable_inputs, run

TABLE = {row["name"]: row for row in engine.op_table()}
CASES = [pytest.param(s, d, id=f"{s}-{d}") for s in samples() for d in s.dtypes]


def everything(sample: Sample, dtype: str, places):
    """A function of the inputs: the results, then the gradients of those that have one."""

    def function(*tensors):
        tape = engine.Tape()
        sources = [tensors[p] for p in places]
        for s in sources:
            tape.watch(s)
        tape.start()
        outputs = run(sample, tensors)
        tape.stop()
        targets = [o for o in outputs if o.dtype == dtype]
        grads = tape.gradient(targets, sources) if targets and sources else []
        return [*outputs, *(g for g in grads if g is not None)]

    return function


@pytest.mark.parametrize(("sample", "dtype"), CASES)
def test_compiled_equals_eager(sample: Sample, dtype: str) -> None:
    arrays = sample.inputs()
    tensors = cast_inputs(arrays, dtype)
    differentiable = TABLE[sample.op]["differentiable"] and dtype in FLOATS
    function = everything(sample, dtype, differentiable_inputs(sample, arrays) if differentiable else [])
    eager = function(*tensors)
    compiled = CompiledFunction(function)
    for _ in range(2):  # traced, then replayed
        assert [bits(t) for t in compiled(*tensors)] == [bits(t) for t in eager]
    other = [t if t.dtype not in FLOATS else engine.apply("flip", t, axes=(0,)) if t.shape else t for t in tensors]
    if sample.op != "random_bits":  # its shape follows from no input
        assert [bits(t) for t in compiled(*other)] == [bits(t) for t in function(*other)]
    (plan,) = compiled.plans
    text = str(plan.graph)
    if "values>" not in text:
        assert str(engine.Graph.parse(text)) == text


def test_a_graph_of_text():
    text = (
        "graph(%0: float32(2, 3), state %1: int32()) {\n"
        "  const %2: float32() = [0.5]\n"
        "  const %3: int32() = [1]\n"
        "  %4: float32(2, 3) = multiply(%0, %2)\n"
        "  %5: float32(3,) = sum(%4, axes=(0,), keepdims=false)\n"
        "  %6: int32() = add(%1, %3)\n"
        "  return %5, state %6\n"
        "}\n"
    )
    graph = engine.Graph.parse(text)
    assert str(graph) == text
    assert graph == engine.Graph.parse(text.replace("%4", "%40"))
    assert hash(graph) == hash(engine.Graph.parse(text.replace("%4", "%40")))
    assert graph != engine.Graph.parse(text.replace("0.5", "0.25"))
    assert len(graph) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("multiply(", "multiplied("), "no op named 'multiplied'"),
        (("%4, axes", "%9, axes"), "line 5: %9 is not defined"),
        (("float32(3,)", "float32(2,)"), r"sum gives float32\(3,\)"),
        (("keepdims", "keep"), r"line 5: expected '\)', or an attribute of sum in its place, got 'keep=false"),
        (("%6: int32", "%4: int32"), "%4 is defined twice"),
        (("[0.5]", "[half]"), "line 2: expected a number"),
    ],
)
def test_text_that_is_no_graph(change, message):
    text = (
        "graph(%0: float32(2, 3), state %1: int32()) {\n  const %2: float32() = [0.5]\n  const %3: int32() = [1]\n"
        "  %4: float32(2, 3) = multiply(%0, %2)\n  %5: float32(3,) = sum(%4, axes=(0,), keepdims=false)\n"
        "  %6: int32() = add(%1, %3)\n  return %5, state %6\n}\n"
    )
    with pytest.raises((ValueError, RuntimeError), match=message):
        engine.Graph.parse(text.replace(*change))


def test_inputs_of_any_layout():
    compiled = addax.compile(lambda x, y: (x @ y, x + 1))
    x = engine.tensor(np.arange(12.0, dtype="float32").reshape(3, 4))
    across = engine.apply("transpose", engine.tensor(np.arange(12.0, dtype="float32").reshape(4, 3)), axes=(1, 0))
    for a in (x, across, across[::-1]):
        b = engine.apply("transpose", a, axes=(1, 0))
        product, more = compiled(a, b)
        np.testing.assert_array_equal(product.numpy(), (a @ b).numpy())
        np.testing.assert_array_equal(more.numpy(), a.numpy() + 1)
