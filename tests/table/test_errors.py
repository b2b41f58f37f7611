"""Bad input is refused with an error of the right type that names the op and what came."""

import pytest

from addax import engine
from tests.samples import ErrorSample, error_samples

CASES = [pytest.param(s, id=str(s)) for s in error_samples()]


@pytest.mark.parametrize("sample", CASES)
def test_errors(sample: ErrorSample) -> None:
    tensors = [engine.tensor(a) for a in sample.inputs]
    with pytest.raises(sample.error, match=sample.match) as caught:
        engine.apply(sample.op, *tensors, **sample.attrs)
    assert str(caught.value).startswith(sample.op), "an error names the op first"
