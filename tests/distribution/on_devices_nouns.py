"""Meshes, layouts, maps and distributions beside real Keras's, on 8 devices. test_distribution.py runs it."""

import inspect

import keras
import numpy as np
import pytest

import addax
from addax import distribution

LIBRARIES = (distribution, keras.distribution)
FOUR = ["cpu:3", "cpu:2", "cpu:1", "cpu:0"]


def both(build, *arguments):
    """What build(library, *arguments) gives, or the kind of error it raises, for addax and Keras."""
    results = []
    for library in LIBRARIES:
        try:
            results.append(build(library, *arguments))
        except (ValueError, RuntimeError, KeyError) as error:
            results.append(type(error))
    return results


def mesh_of(library):
    return library.DeviceMesh((2, 4), ("batch", "model"))


def map_of(library, keys):
    layouts = library.LayoutMap(mesh_of(library))
    for key, axes in keys.items():
        layouts[key] = axes
    return layouts


def test_public_names_and_arguments():
    for name in (n for n in dir(keras.distribution) if not n.startswith("_")):
        ours, theirs = (getattr(library, name) for library in LIBRARIES)
        ours, theirs = (inspect.signature(x).parameters.values() for x in (ours, theirs))
        assert [(p.name, p.default, p.kind) for p in ours] == [(p.name, p.default, p.kind) for p in theirs], name
    assert set(distribution.__all__) == {n for n in dir(keras.distribution) if not n.startswith("_")}


@pytest.mark.parametrize("kind", [None, "cpu", "CPU", "gpu", "nothing"])
def test_devices(kind):
    ours, theirs = both(lambda library: (library.list_devices(kind), library.get_device_count(kind)))
    assert ours == theirs
    assert ours is RuntimeError if kind in ("gpu", "nothing") else ours[1] == 8


@pytest.mark.parametrize(
    ("shape", "names", "devices"),
    [
        ((2, 4), ["a", "b"], None),
        ([8], ("a",), None),
        ((2, 2), ["a", "b"], FOUR),
        ((2, 2), ["a", "b"], np.array(FOUR)),
        ((2, 4), ["a"], None),
        ((2, 3), ["a", "b"], None),
        ((2, 2), ["a", "b"], None),
        ((2, 2), ["a", "b"], ["cpu:0"]),
        ((), [], None),
        (None, ["a"], None),
        ((8,), None, None),
    ],
)
def test_device_mesh(shape, names, devices):
    ours, theirs = both(lambda library: library.DeviceMesh(shape, names, devices))
    if theirs is ValueError:
        assert ours is ValueError
        return
    assert (ours.shape, ours.axis_names, repr(ours)) == (theirs.shape, theirs.axis_names, repr(theirs))
    np.testing.assert_array_equal(ours.devices, theirs.devices)
    assert ours.backend_mesh == theirs.backend_mesh


def test_names_of_devices_that_are_not_there():
    with pytest.raises(ValueError, match=r"There is no device 'cpu:9'. There are: cpu:0, .*cpu:7"):
        distribution.DeviceMesh((1,), ("a",), ["cpu:9"]).backend_mesh  # noqa: B018


@pytest.mark.parametrize("axes", [("batch", None), [None, "model"], (), (None,), ("model", "batch"), ("z",)])
def test_tensor_layout(axes):
    def build(library):
        late = library.TensorLayout(axes)
        assert late.device_mesh is None
        late.device_mesh = mesh_of(library)
        layout = library.TensorLayout(axes, mesh_of(library))
        return layout.axes, late.axes, repr(layout), layout.backend_layout, late.backend_layout

    ours, theirs = both(build)
    assert ours == theirs
    assert (ours is ValueError) == (axes == ("z",))


def test_layouts_that_are_none():
    mesh = mesh_of(distribution)
    with pytest.raises(ValueError, match="the device mesh of the layout is not set"):
        distribution.TensorLayout(("batch",)).backend_layout  # noqa: B018
    layout = distribution.TensorLayout(("batch",), mesh)
    with pytest.raises(ValueError, match="cannot be changed"):
        layout.device_mesh = mesh
    with pytest.raises(ValueError, match=r"Expected each to be one of \['batch', 'model'\], at most once, or None"):
        distribution.TensorLayout(("batch", "batch"), mesh)


KEYS = {
    "dense.*kernel": ("batch", "model"),
    "dense_1.*kernel": ("model", None),
    ".*bias": ("model",),
    "ab|abc": (None,),
    "x(1|2)": ("batch",),
}
PATHS = [
    "dense/kernel", "dense_1/kernel", "dense_2/kernel", "model/dense/kernel", "dense/kernel/output", "dense.*kernel",
    "bias", "a/b/bias", "a/biases", "ab", "abc", "abcd", "x1", "x3", "", "nothing",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_layout_map_finds_what_that_of_keras_finds(path):
    def build(library):
        layout = map_of(library, KEYS)[path]
        return None if layout is None else layout.axes

    ours, theirs = both(build)
    assert ours == theirs


def test_layout_map_is_a_mapping():
    def build(library):
        layouts = map_of(library, KEYS)
        before = len(layouts), list(layouts), layouts.get("nothing", 3), "ab" in layouts
        popped = layouts.pop("ab|abc").axes
        del layouts[".*bias"]
        layouts["late"] = library.TensorLayout(("model",))
        mesh = layouts["late"].device_mesh
        return before, popped, list(layouts), mesh.shape, library.LayoutMap(None).device_mesh

    ours, theirs = both(build)
    assert ours == theirs


@pytest.mark.parametrize(
    ("key", "layout"),
    [("ab|abc", ("batch",)), ("new", None), ("new", 5), ("new", ["batch"]), ("new", "batch"), ("new", ("z",))],
)
def test_layouts_that_a_map_refuses(key, layout):
    def build(library):
        map_of(library, KEYS)[key] = layout

    assert both(build) == [ValueError, ValueError]


def test_deleting_a_key_that_is_not_there():
    assert both(lambda library: map_of(library, KEYS).__delitem__("nothing")) == [KeyError, KeyError]


def described(distribution):
    layouts = distribution.get_data_layout((8, 3)), distribution.get_data_layout((None,))
    return (
        repr(distribution),
        distribution.batch_dim_name,
        distribution.num_model_replicas,
        distribution.auto_shard_dataset,
        [layout.axes for layout in layouts],
        distribution.get_tensor_layout("x1") and distribution.get_tensor_layout("x1").axes,
        distribution.get_tensor_layout("nothing"),
    )


@pytest.mark.parametrize(
    "build",
    [
        lambda library: library.DataParallel(),
        lambda library: library.DataParallel(devices=FOUR),
        lambda library: library.DataParallel(devices=[], auto_shard_dataset=False),
        lambda library: library.DataParallel(library.DeviceMesh((8,), ["z"]), ["cpu:0"]),
        lambda library: library.DataParallel("mesh"),
        lambda library: library.DataParallel(devices="cpu:0"),
        lambda library: library.DataParallel(devices=[FOUR[:2], FOUR[2:]]),
        lambda library: library.ModelParallel(layout_map=map_of(library, KEYS)),
        lambda library: library.ModelParallel(layout_map=map_of(library, KEYS), batch_dim_name="model"),
        lambda library: library.ModelParallel(layout_map=map_of(library, KEYS), auto_shard_dataset=False),
        lambda library: library.ModelParallel(),
        lambda library: library.ModelParallel(layout_map=3),
    ],
)
def test_distributions(build):
    ours, theirs = both(lambda library: described(build(library)))
    assert ours == theirs


def test_distributions_that_are_none():
    layouts = map_of(distribution, {})
    with pytest.raises(ValueError, match=r"expected an axis of .*batch_dim_name='z'"):
        distribution.ModelParallel(layout_map=layouts, batch_dim_name="z")
    with pytest.raises(ValueError, match="a LayoutMap with a device mesh"):
        distribution.ModelParallel(layout_map=distribution.LayoutMap(None))
    with pytest.raises(ValueError, match="`device_mesh` to be the one of `layout_map`"):
        distribution.ModelParallel(layout_map=layouts, device_mesh=mesh_of(distribution))
    with pytest.raises(TypeError, match=r"unknown arguments \['axis'\]"):
        distribution.ModelParallel(layout_map=layouts, axis=0)
    with pytest.raises(ValueError, match=r"set_distribution: expected a DataParallel, .*Received: 3 of type int"):
        distribution.set_distribution(3)
    with pytest.warns(UserWarning, match="along the first axis"):
        assert distribution.DataParallel(mesh_of(distribution)).num_model_replicas == 2


def test_the_distribution_in_use():
    for library in LIBRARIES:
        first, second = library.DataParallel(), library.DataParallel(devices=FOUR)
        assert library.distribution() is None
        library.set_distribution(first)
        with second.scope():
            assert library.distribution() is second
        assert library.distribution() is first
        (addax if library is distribution else keras).utils.clear_session()
        assert library.distribution() is None


def placed(library, framework, layouts):
    """For each variable of a trained model its path and how it lies."""
    layout_map = map_of(library, layouts)
    library.set_distribution(library.ModelParallel(layout_map=layout_map))
    layers = [framework.layers.Dense(8, name="first"), framework.layers.Dense(4, name="second")]
    model = framework.Sequential([framework.Input((8,)), *layers], name="net")
    model.compile(framework.optimizers.SGD(0.1, momentum=0.9, name="sgd"), "mse")
    x = np.ones((16, 8), "float32")
    model.fit(x, x[:, :4], verbose=0)
    own = framework.Variable(
        np.zeros((4, 4), "float32"), name="own", layout=library.TensorLayout((None, "batch"), mesh_of(library))
    )
    return [(v.path, v._layout.axes) for v in [*model.variables, *model.optimizer.variables]], own._layout.axes


def test_variables_have_the_layouts_that_keras_gives_them():
    layouts = {
        "net/first/kernel": (None, "model"),
        "net/first/bias": ("model",),
        ".*second/kernel": ("model", None),
        "sgd/.*first.*": ("batch", None),  # state of an optimizer lies as what it belongs to
    }

    ours, theirs = placed(distribution, addax, layouts), placed(keras.distribution, keras, layouts)
    assert ours == theirs
    assert dict(ours[0])["net/first/kernel"] == (None, "model") and ours[1] == (None, "batch")
