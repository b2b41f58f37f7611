"""Nested structures, against Keras's tree."""

from collections import OrderedDict, defaultdict, deque, namedtuple

import numpy as np
import pytest

from addax import tree
from tests.ops.helpers import keras

Point = namedtuple("Point", "a b")
STRUCTURES = [
    3,
    None,
    (),
    [],
    {},
    [1, 2],
    (1, [2, (3, None)]),
    {"b": 1, "a": [2, 3]},
    {1: "x", 2: "y"},
    Point(1, [2]),
    OrderedDict([("b", 1), ("a", 2)]),
    defaultdict(int, {"b": 1, "a": 2}),
    deque([1, (2, 3)]),
    [np.float32(1), "text"],
]


@pytest.mark.parametrize("s", STRUCTURES, ids=str)
def test_same_as_keras(s):
    assert tree.is_nested(s) == keras.tree.is_nested(s)
    assert tree.flatten(s) == keras.tree.flatten(s)
    assert tree.flatten_with_path(s) == keras.tree.flatten_with_path(s)
    assert tree.lists_to_tuples(s) == keras.tree.lists_to_tuples(s)
    for ours in (tree.map_structure(lambda x: x, s), tree.pack_sequence_as(s, tree.flatten(s))):
        assert ours == s and type(ours) is type(s)
    assert tree.map_structure(lambda x, y: (x, y), s, s) == keras.tree.map_structure(lambda x, y: (x, y), s, s)
    tree.assert_same_structure(s, s)


def test_dicts_keep_their_order_and_kind():
    result = tree.map_structure(lambda x: x + 1, defaultdict(int, {"b": 1, "a": 2}))
    assert list(result) == ["b", "a"] and result.default_factory is int
    assert tree.map_structure(lambda x, y: x - y, {"b": 1, "a": 2}, OrderedDict([("b", 1), ("a", 2)])) == {
        "b": 0,
        "a": 0,
    }


def test_subclasses_count_as_what_they_subclass():
    class Tracked(list):
        pass

    s = Tracked([1, Tracked([2])])
    assert tree.flatten(s) == [1, 2]
    assert type(tree.map_structure(lambda x: x, s)) is Tracked
    tree.assert_same_structure(s, [0, [0]])


def test_none():
    assert tree.map_structure(lambda x: "seen", [1, None]) == ["seen", "seen"]
    assert tree.map_structure(lambda x: "seen", [1, None], none_is_leaf=False) == ["seen", None]


def test_map_up_to():
    assert tree.map_structure_up_to([0, 0], lambda x, y: (x, y), [1, 2], [3, [4, 5]]) == [(1, 3), (2, [4, 5])]


def test_traverse():
    def to_tuple(x):
        return tuple(x) if isinstance(x, list) else None

    assert tree.traverse(to_tuple, [1, [2]]) == (1, [2])
    assert tree.traverse(to_tuple, [1, [2]], top_down=False) == (1, (2,))
    assert tree.traverse(lambda x: tree.MAP_TO_NONE if x == 1 else None, [1, [2]]) == [None, [2]]


def test_shapes():
    s = {"a": (1, None), "b": [(2, 3), [4, 5]]}
    expected = keras.tree.map_shape_structure(lambda x: ("shape", *x), s)
    assert tree.map_shape_structure(lambda x: ("shape", *x), s) == expected


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda t: t.map_structure(1, [1]), TypeError),
        (lambda t: t.map_structure(lambda: 0), ValueError),
        (lambda t: t.map_structure(max, [1, 2], (3, 4)), ValueError),
        (lambda t: t.map_structure(max, [1, 2], [3]), ValueError),
        (lambda t: t.map_structure(max, [1, 2], [3, [4]]), ValueError),
        (lambda t: t.map_structure_up_to([1, 2], max, [1, 2], (3, 4)), ValueError),
        (lambda t: t.assert_same_structure({"a": 1}, {"b": 1}), ValueError),
        (lambda t: t.assert_same_structure(1, [1]), ValueError),
        (lambda t: t.assert_same_structure(Point(1, 2), (1, 2)), ValueError),
        (lambda t: t.assert_same_paths({"a": 1}, {"b": 2}), ValueError),
        (lambda t: t.pack_sequence_as([1, 2], [1]), ValueError),
        (lambda t: t.pack_sequence_as([1, 2], [1, 2, 3]), ValueError),
        (lambda t: t.pack_sequence_as([1, 2], 5), TypeError),
    ],
)
def test_errors(call, error):
    for lib in (tree, keras.tree):
        with pytest.raises(error):
            call(lib)


def test_errors_name_the_place():
    with pytest.raises(ValueError, match=r"expected 2 elements at \['a', 0\], got 1"):
        tree.assert_same_structure({"a": [[1, 2]]}, {"a": [[1]]})
