"""The models of the benchmarks, trained eagerly and compiled, on 1, 2 and 4 threads: the same bits."""

import hashlib
import sys
from pathlib import Path

import pytest

import addax
from addax import config

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from workloads import WORKLOADS

sys.path.pop(0)


pytestmark = pytest.mark.usefixtures("eager_rounding")


def trained(name: str, eager: bool, threads: int) -> str:
    """What two batches make of the weights and of the predictions, as a hash."""
    workload = WORKLOADS[name]
    config.set_num_threads(threads)
    addax.utils.set_random_seed(3)
    model = workload.build(addax)
    model.run_eagerly = eager
    x, y = (array[: 2 * workload.batch] for array in workload.data())
    model.fit(x, y, batch_size=workload.batch, epochs=1, verbose=0)
    bits = hashlib.sha256()
    for value in (*model.get_weights(), model.predict(x[: workload.batch], verbose=0)):
        bits.update(value.tobytes())
    return bits.hexdigest()


@pytest.mark.parametrize("name", WORKLOADS)
def test_training_has_the_same_bits_eagerly_and_compiled_on_any_number_of_threads(name):
    results = {(eager, n): trained(name, eager, n) for n in (1, 2, 4) for eager in (False, True)}
    assert len(set(results.values())) == 1, results
