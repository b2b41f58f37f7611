"""From what users pass as data to batches: kinds of arrays, order, weights, datasets with workers."""

import threading
import time

import numpy as np
import pytest

import addax
from addax.trainers.data_adapters import get_data_adapter
from addax.trainers.data_adapters.array_data_adapter import ArrayDataAdapter, permutation
from addax.trainers.data_adapters.data_adapter_utils import class_weight_to_sample_weights, train_validation_split
from addax.utils import PyDataset

X = np.arange(20, dtype="float32").reshape(10, 2)
Y = np.arange(10)


def firsts(adapter, epoch=0):
    return [float(v) for batch in adapter.batches(epoch) for v in batch[0].numpy()[:, 0]]


class Frame:
    """What pandas objects have: values of mixed numeric types behind `__array__`, and rows by `iloc`."""

    def __init__(self, values):
        self.values = values
        self.shape = values.shape
        self.iloc = self

    def __array__(self, dtype=None, copy=None):
        return self.values.astype(dtype or self.values.dtype)

    def __getitem__(self, index):
        if not isinstance(index, slice):
            raise KeyError(index)
        return Frame(self.values[index])


class Graded:
    """What a torch tensor that wants a gradient does: it gives its values only after `detach().cpu()`."""

    def __init__(self, values, ready=False):
        self.values, self.shape, self.ready = values, values.shape, ready

    def detach(self):
        return Graded(self.values, self.ready)

    def cpu(self):
        return Graded(self.values, ready=True)

    def __array__(self, dtype=None, copy=None):
        if not self.ready:
            raise TypeError("can't convert")
        return self.values.astype(dtype or self.values.dtype)


def test_kinds_of_arrays_and_their_dtypes():
    import jax.numpy as jnp

    cases = [
        (X, "float32"),
        (X.astype("float64"), "float32"),
        (X.astype("float16"), "float32"),
        (X.astype("int64"), "int64"),
        (X.astype("uint8"), "uint8"),
        (X > 3, "bool"),
        (X[::2], "float32"),
        (np.asfortranarray(X), "float32"),
        (addax.ops.convert_to_tensor(X), "float32"),
        (addax.Variable(X), "float32"),
        (jnp.asarray(X), "float32"),
        (Graded(X), "float32"),
        (Frame(X.astype("float64")), "float32"),
    ]
    for array, dtype in cases:
        batch = next(ArrayDataAdapter(array).batches(0))
        assert batch[0].dtype == dtype
        expected = array.cpu() if isinstance(array, Graded) else array
        np.testing.assert_array_equal(batch[0].numpy(), np.asarray(expected).astype(dtype))


def test_sparse_matrices_are_refused_with_advice():
    scipy_sparse = pytest.importorskip("scipy.sparse")
    with pytest.raises(ValueError, match=r"`x` is a sparse matrix.*toarray"):
        ArrayDataAdapter(scipy_sparse.eye(3))


def test_batches_in_order():
    adapter = ArrayDataAdapter(X, Y, batch_size=4)
    assert adapter.num_batches == 3
    assert [tuple(t.shape for t in batch) for batch in adapter.batches(0)] == [
        ((4, 2), (4,)),
        ((4, 2), (4,)),
        ((2, 2), (2,)),
    ]
    assert firsts(adapter) == X[:, 0].tolist()
    assert adapter.single_batch() is None
    assert ArrayDataAdapter(X, batch_size=10).single_batch()[0].shape == (10, 2)


def test_shuffled_batches():
    adapter = ArrayDataAdapter(X, Y, batch_size=3, shuffle=True, seed=5)
    for x, y in adapter.batches(0):
        np.testing.assert_array_equal(x.numpy()[:, 0], 2 * y.numpy())
    first, second = firsts(adapter, 0), firsts(adapter, 1)
    assert sorted(first) == sorted(second) == X[:, 0].tolist()
    assert first != second
    assert firsts(adapter, 0) == first
    assert firsts(ArrayDataAdapter(X, batch_size=4, shuffle=True, seed=5), 0) == first
    assert firsts(ArrayDataAdapter(X, shuffle=True, seed=6), 0) != first


def test_shuffling_whole_batches():
    adapter = ArrayDataAdapter(X, batch_size=3, shuffle="batch", seed=1)
    batches = [batch[0].numpy()[:, 0].tolist() for batch in adapter.batches(0)]
    assert batches[3] == [18.0]
    assert sorted(batches[:3]) == [[0.0, 2.0, 4.0], [6.0, 8.0, 10.0], [12.0, 14.0, 16.0]]


def test_permutation():
    assert sorted(permutation(1, 0, 1000).tolist()) == list(range(1000))
    assert permutation(1, 1, 1000).tolist() != permutation(2, 1, 1000).tolist()
    assert permutation(1, 0, 0).tolist() == []
    # Over many seeds every number comes to every place: 2,000 draws of 24 orders, 83 of each expected, five sigma.
    counts = {}
    for seed in range(2000):
        order = tuple(permutation(seed, 0, 4).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert max(abs(n - 2000 / 24) for n in counts.values()) < 5 * (2000 / 24) ** 0.5


def test_nested_structures():
    x = {"a": X, "b": [X + 1, None]}
    adapter = ArrayDataAdapter(x, (Y, Y + 1), batch_size=7, shuffle=True)
    for bx, by in adapter.batches(0):
        np.testing.assert_array_equal(bx["a"].numpy() + 1, bx["b"][0].numpy())
        assert bx["b"][1] is None
        np.testing.assert_array_equal(by[0].numpy() + 1, by[1].numpy())
        assert bx["a"].shape[0] == by[0].shape[0]


def test_what_a_batch_holds():
    assert len(next(ArrayDataAdapter(X).batches(0))) == 1
    assert len(next(ArrayDataAdapter(X, Y).batches(0))) == 2
    assert len(next(ArrayDataAdapter(X, Y, np.ones(10)).batches(0))) == 3


@pytest.mark.parametrize("y", [Y % 3, (Y % 3)[:, None], np.eye(3)[Y % 3], (Y % 3).astype("float32")])
def test_class_weights(y):
    weights = class_weight_to_sample_weights(y, {0: 2.0, 2: 0.5})
    np.testing.assert_array_equal(weights, np.array([2.0, 1.0, 0.5], dtype="float32")[Y % 3])
    batch = next(ArrayDataAdapter(X, y, class_weight={0: 2.0, 2: 0.5}).batches(0))
    np.testing.assert_array_equal(batch[2].numpy(), weights)


def test_class_weights_of_several_outputs():
    with pytest.raises(ValueError, match="only supported for Models with a single output"):
        ArrayDataAdapter(X, [Y, Y], class_weight={0: 1.0})
    with pytest.raises(ValueError, match="needs targets `y`"):
        ArrayDataAdapter(X, class_weight={0: 1.0})


def test_validation_split_takes_the_last_samples():
    (x, y, w), (val_x, val_y, val_w) = train_validation_split((X, {"y": Y}, None), 0.25)
    np.testing.assert_array_equal(x, X[:7])
    np.testing.assert_array_equal(val_x, X[7:])
    np.testing.assert_array_equal(y["y"], Y[:7])
    np.testing.assert_array_equal(val_y["y"], Y[7:])
    assert w is None and val_w is None
    head, tail = train_validation_split(Frame(X), 0.5)
    assert (head.shape, tail.shape) == ((5, 2), (5, 2))


class Data(PyDataset):
    def __init__(self, delay=False, **kwargs):
        super().__init__(**kwargs)
        self.delay = delay
        self.calls = []

    def __len__(self):
        return 6

    def __getitem__(self, index):
        if self.delay:
            time.sleep(0.02 * (6 - index))  # later batches are ready earlier
        return np.full((2, 1), index, dtype="float64"), np.full(2, index)

    def on_epoch_begin(self):
        self.calls.append("begin")

    def on_epoch_end(self):
        self.calls.append("end")


def test_dataset_in_order_and_shuffled():
    adapter = get_data_adapter(Data())
    assert adapter.num_batches == 6
    assert firsts(adapter) == [i for i in range(6) for _ in range(2)]
    shuffled = firsts(get_data_adapter(Data(), shuffle=True, seed=3))
    assert sorted(shuffled) == firsts(adapter) != shuffled


@pytest.mark.parametrize(
    "settings", [{"workers": 3}, {"workers": 3, "max_queue_size": 1}, {"workers": 2, "delay": True}]
)
def test_workers_give_the_same_batches_in_the_same_order(settings):
    before = threading.active_count()
    assert firsts(get_data_adapter(Data(**settings))) == [i for i in range(6) for _ in range(2)]
    assert threading.active_count() == before


def test_worker_processes():
    adapter = get_data_adapter(Data(workers=2, use_multiprocessing=True))
    assert firsts(adapter) == [i for i in range(6) for _ in range(2)]


def test_errors_of_workers_arrive():
    class Broken(Data):
        def __getitem__(self, index):
            if index == 3:
                raise OSError("disk gone")
            return super().__getitem__(index)

    with pytest.raises(OSError, match="disk gone"):
        firsts(get_data_adapter(Broken(workers=2)))


def test_dataset_is_told_of_epochs_and_may_be_endless():
    class Endless(Data):
        @property
        def num_batches(self):
            return None

    data, endless = Data(), Endless()
    model = addax.Sequential([addax.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(data, epochs=2, verbose=0)
    assert data.calls == ["begin", "end"] * 2
    model.fit(endless, epochs=2, steps_per_epoch=3, verbose=0)
    assert int(model.optimizer.iterations) == 18


def test_dataset_without_a_number_of_batches():
    class Unfinished(PyDataset):
        pass

    with pytest.raises(NotImplementedError, match="must implement the property `num_batches`"):
        get_data_adapter(Unfinished())
    with pytest.raises(NotImplementedError, match="must implement `__getitem__"):
        Unfinished()[0]


def test_old_subclasses_need_not_call_the_constructor():
    class Old(addax.utils.Sequence):
        def __init__(self):
            pass

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return X, Y

    assert len(firsts(get_data_adapter(Old()))) == 10


def test_torch_loader():
    torch = pytest.importorskip("torch")
    data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(Y))
    adapter = get_data_adapter(torch.utils.data.DataLoader(data, batch_size=4))
    assert adapter.num_batches == 3
    assert firsts(adapter) == firsts(adapter) == X[:, 0].tolist()
    assert next(adapter.batches(0))[1].dtype == "int64"


def test_generators_are_walked_once():
    adapter = get_data_adapter((X[i : i + 2], Y[i : i + 2]) for i in range(0, 10, 2))
    assert adapter.num_batches is None
    assert adapter.batch_size == 2
    assert not adapter.restarts
    assert firsts(adapter) == X[:, 0].tolist()


def test_generators_with_class_weights():
    adapter = get_data_adapter(((X, Y % 2) for _ in range(1)), class_weight={1: 3.0})
    np.testing.assert_array_equal(next(adapter.batches(0))[2].numpy(), 1 + 2 * (Y % 2))
    adapter = get_data_adapter(((X, Y, Y) for _ in range(1)), class_weight={1: 3.0})
    with pytest.raises(ValueError, match="`class_weight` and `sample_weight`"):
        next(adapter.batches(0))
