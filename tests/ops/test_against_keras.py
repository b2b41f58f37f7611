"""Every public op against real Keras on JAX: values, dtypes, and what symbolic calls say."""

import warnings

import pytest

from tests.ops.cases import CASES
from tests.ops.helpers import addax, assert_equal, call, keras, leaves, tensors

ROWS = [pytest.param(case, dtype, id=f"{case}-{dtype}") for case in CASES for dtype in case.dtypes]
SYMBOLIC = [pytest.param(case, case.dtypes[0], id=str(case)) for case in CASES if case.symbolic and any(tensors(case))]


@pytest.fixture(autouse=True)
def _keras_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the oracle's own
        yield


@pytest.mark.parametrize(("case", "dtype"), ROWS)
def test_equals_keras(case, dtype):
    assert_equal(call(addax, case, dtype), call(keras, case, dtype), case.tolerance)


@pytest.mark.parametrize(("case", "dtype"), SYMBOLIC)
def test_symbolic_call_tells_what_the_eager_call_returns(case, dtype):
    eager = leaves(call(addax, case, dtype))
    try:
        symbolic = leaves(call(addax, case, dtype, symbolic=True))
    except ValueError as error:
        # Some calls fix the size of the first dim, by a list of positions or a partner's shape.
        assert "None" in str(error), error
        pytest.skip("the first dim cannot be unknown here")
    assert all(isinstance(s, addax.KerasTensor) for s in symbolic)
    assert [s.dtype for s in symbolic] == [e.dtype for e in eager]
    for s, e in zip(symbolic, eager, strict=False):
        assert len(s.shape) == e.ndim
        assert all(a is None or a == b for a, b in zip(s.shape, e.shape, strict=True)), (s.shape, e.shape)
