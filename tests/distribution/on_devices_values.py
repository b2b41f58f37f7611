"""Values over 8 devices: tensors, batches, what is assigned, and outputs of layers. test_distribution.py runs it."""

import jax
import numpy as np
import pytest

import addax
from addax import engine, layers, ops
from addax.distribution import DataParallel, DeviceMesh, TensorLayout, distribute_tensor
from addax.distribution.placement import lay_out_batch
from tests.distribution.placed import array, model_parallel, shards


def test_batches_are_cut_where_they_divide():
    batch = {"x": engine.host_tensor(np.ones((16, 3), "float32")), "y": engine.host_tensor(np.ones(6, "int32"))}
    assert lay_out_batch(batch) is batch
    with DataParallel().scope():
        assert {name: shards(x) for name, x in lay_out_batch(batch).items()} == {"x": (8, (2, 3)), "y": (8, (6,))}
    with model_parallel().scope():
        assert {name: shards(x) for name, x in lay_out_batch(batch).items()} == {"x": (8, (8, 3)), "y": (8, (3,))}


def test_assigned_values_take_the_place_of_the_old_ones():
    layout = TensorLayout((None, "model"), model_parallel().device_mesh)
    v = addax.Variable(np.zeros((4, 8), "float32"), layout=layout)
    whole = TensorLayout((None, None), layout.device_mesh)
    for value in (
        np.ones((4, 8)),
        engine.tensor(np.ones((4, 8), "float32")),
        distribute_tensor(np.ones((4, 8)), whole),
    ):
        v.assign(value)
        assert shards(v) == (8, (4, 2)) and float(ops.sum(v)) == 32
    v.assign_add(ops.ones((4, 8)))
    addax.compile(lambda: v.assign(ops.ones((4, 8))))()
    assert shards(v) == (8, (4, 2)) and float(ops.sum(v)) == 32


@pytest.mark.parametrize("axes", [(None,), ("batch",)])
def test_a_value_once_read_never_changes(axes):
    layout = TensorLayout(axes, DeviceMesh((8,), ("batch",)))
    v = addax.Variable(np.zeros(16, "float32"), layout=layout)
    step = addax.compile(lambda: v.assign_add(ops.ones(16)))
    given = [engine.tensor(np.full(16, 3, "float32")), distribute_tensor(np.full(16, 3, "float32"), layout)]
    held = v.value
    for value in given:
        v.assign(value)
        step()
        step()
        assert float(v.value[0]) == 5
    for value in given:
        assert array(value).tolist() == [3] * 16
    assert array(held).tolist() == [0] * 16


def test_random_bits_do_not_depend_on_the_distribution():
    def drawn():
        addax.utils.set_random_seed(1)
        x = engine.host_tensor(np.ones((16, 6), "float32"))
        dropped = addax.compile(lambda x: layers.Dropout(0.5, seed=3)(x, training=True))
        return dropped(lay_out_batch(x)).numpy(), addax.random.normal((4, 8)).numpy(), layers.Dense(8)

    expected = drawn()
    for distribution in (DataParallel, model_parallel):
        with distribution().scope():
            got = drawn()
        np.testing.assert_array_equal(got[0], expected[0])
        np.testing.assert_array_equal(got[1], expected[1])


def test_distribute_tensor():
    mesh = DeviceMesh((2, 4), ("batch", "model"))
    layout = TensorLayout(("batch", "model"), mesh)
    x = np.arange(32, dtype="float32").reshape(4, 8)
    for value in (x, engine.tensor(x), addax.Variable(x), x.tolist()):
        laid_out = distribute_tensor(value, layout)
        assert shards(laid_out) == (8, (2, 2))
        np.testing.assert_array_equal(laid_out.numpy(), x)
    assert distribute_tensor(x, None).device == "jax:0"
    rows = TensorLayout(("batch",), mesh)  # the rest of the dimensions is whole
    assert shards(distribute_tensor(x, rows)) == (8, (2, 8))
    assert shards(addax.compile(lambda x: distribute_tensor(x, layout) * 2)(x)) == (8, (2, 2))
    assert shards(addax.compile(lambda x: distribute_tensor(x, layout) * 2)(x[:3])) == (8, (3, 2))


def test_gradients_pass_distribute_tensor():
    layout = TensorLayout(("batch",), DeviceMesh((8,), ("batch",)))
    x = engine.tensor(np.arange(16, dtype="float32"))
    gradient = addax.grad(lambda x: ops.sum(distribute_tensor(x, layout) ** 2))
    for compute in (gradient, addax.compile(gradient)):
        np.testing.assert_array_equal(compute(x).numpy(), 2 * np.arange(16))


def test_outputs_of_layers():
    class Two(layers.Layer):
        def call(self, x):
            return [x, {"double": x * 2}]

    with model_parallel().scope(), addax.name_scope("net"):
        first, second = Two(name="wide")(np.ones((4, 8), "float32"))
        assert shards(first) == shards(second["double"]) == (8, (2, 2))
        assert shards(Two(name="wide")(np.ones((3, 8), "float32"))[0]) == (8, (3, 2))
        with pytest.raises(ValueError, match=r"net/wide/output: the layout has 2 dimensions"):
            Two(name="wide")(np.ones(4, "float32"))


def test_outputs_keep_their_masks():
    words = addax.Input((8,), dtype="int32")
    model = addax.Model(words, layers.Embedding(9, 4, mask_zero=True)(words), name="wide")
    x = np.array([[1, 2, 0, 0, 0, 0, 0, 0]] * 4, "int32")
    with model_parallel().scope(), addax.name_scope("net"):
        y = model(x)
    assert shards(y) == (8, (2, 2, 4))
    np.testing.assert_array_equal(y._keras_mask.numpy(), x != 0)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (
            lambda mesh: TensorLayout(("model",), mesh),
            r"dimension 0 of shape \(6, 8\) does not divide by 4, the size of",
        ),
        (lambda mesh: TensorLayout((None, None, "model"), mesh), r"the layout has 3 dimensions, .* and the tensor 2"),
        (lambda mesh: TensorLayout(("model",)), "expected a TensorLayout with a device mesh"),
        (lambda mesh: ("model",), r"expected a TensorLayout with a device mesh. Received: layout=\('model',\)"),
    ],
)
def test_layouts_that_do_not_fit(layout, message):
    layout = layout(model_parallel().device_mesh)
    x = np.ones((6, 8), "float32")
    with pytest.raises(ValueError, match="distribute_tensor: " + message):
        distribute_tensor(x, layout)
    with pytest.raises(ValueError, match="Variable 'table': " + message):
        addax.Variable(x, name="table", layout=layout)


def test_info_lists_the_devices(capsys):
    from addax.cli import info

    assert dict(info.engine_rows())["devices"] == ", ".join(f"cpu:{i}" for i in range(8))
    assert len(jax.devices()) == 8
    # JAX does not tell the memory of the CPU.
    unknown = {"memory": 0, "free": 0, "libraries": {}}
    assert engine.device_info("cpu:3") == {"name": jax.devices()[3].device_kind, **unknown}
