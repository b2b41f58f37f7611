"""One process of a job: trains over the devices of all, and prints what came out.

python job.py <port of the first process> <number of processes> <number of this one>
"""

import json
import random
import sys

import numpy as np
import pytest

import addax
from addax import distribution, engine, layers
from addax.distribution.placement import lay_out_batch

port, processes, process = (int(argument) for argument in sys.argv[1:])
distribution.initialize(f"127.0.0.1:{port}", processes, process)
names = distribution.list_devices()
assert len(names) == 4

x = np.random.default_rng(0).standard_normal((4, 16, 8)).astype("float32")  # four batches
y = (x[..., 0] > 0).astype("int32")


def train(parallel, x, y, batch_size):
    """Losses, the weights, and predictions for a batch that does not divide by four."""
    distribution.set_distribution(parallel)
    addax.utils.set_random_seed(3)
    dense = layers.Dense(8, name="wide")
    model = addax.Sequential([addax.Input((8,)), dense, layers.Dropout(0.3), layers.Dense(2)], name="net")
    model.compile("adam", addax.losses.SparseCategoricalCrossentropy(from_logits=True))
    x, y = x.reshape(-1, 8), y.reshape(-1)
    losses = model.fit(x, y, batch_size=batch_size, epochs=2, shuffle=False, verbose=0).history["loss"]
    results = [losses, model.get_weights()]
    if parallel.auto_shard_dataset:
        results.append(model.predict(x[:7], verbose=0))
    return addax.tree.map_structure(lambda a: np.asarray(a).tolist(), results)


def model_parallel(shape, axis_names):
    layouts = distribution.LayoutMap(distribution.DeviceMesh(shape, axis_names))
    layouts["net/wide/kernel"] = (None, "model")
    return distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")


mine = slice(16 // processes * process, 16 // processes * (process + 1))
results = {
    "seed": random.random(),
    "data": train(distribution.DataParallel(), x, y, 16),
    "own data": train(distribution.DataParallel(auto_shard_dataset=False), x[:, mine], y[:, mine], 16 // processes),
    "model": train(model_parallel((2, 2), ("batch", "model")), x, y, 16),
    "model over processes": train(model_parallel((2, 2), ("model", "batch")), x, y, 16),
}
if processes == 2:
    distribution.set_distribution(distribution.DataParallel(auto_shard_dataset=False))
    with pytest.raises(ValueError, match=r"own part of a batch, of shape \(3, 8\), does not divide by its devices"):
        lay_out_batch(engine.host_tensor(x[0, :3]))
print(json.dumps(results))
