"""Every row as an exported file that is loaded and run: the same bits as run eagerly."""

import pytest

from addax import engine
from addax.engine import Tensor
from addax.export.addax_file import write_addax
from addax.export.endpoint import Endpoint
from addax.export.graph import Spec, trace
from addax.export.loaded import load
from tests.samples import Sample, samples
from tests.table.helpers import bits, cast_inputs, run

CASES = [pytest.param(s, s.dtypes[0], id=f"{s}-{s.dtypes[0]}") for s in samples()]
CASES += [pytest.param(s, d, id=f"{s}-{d}") for s in samples()[::5] for d in s.dtypes[1:]]


@pytest.mark.parametrize(("sample", "dtype"), CASES)
def test_exported_equals_eager(sample: Sample, dtype: str, tmp_path) -> None:
    tensors = cast_inputs(sample.inputs(), dtype)
    eager = run(sample, tensors)
    specs = [Spec(tuple(t.shape), t.dtype) for t in tensors]

    def function(*given: Tensor) -> list[Tensor]:
        return list(run(sample, list(given)))

    graph, variables = trace(function, specs, [])
    assert not variables
    names = [f"x{i}" for i in range(len(tensors))], [f"y{i}" for i in range(len(eager))]
    path = str(tmp_path / "row.addax")
    write_addax([Endpoint("row", graph, *names)], path)
    results = load(path)._model.run(tensors)
    assert [bits(t) for t in results] == [bits(t) for t in eager]
    assert all(t.device == engine.current_device() for t in results)
