"""The file format: a reader of its own, written from docs/format.md alone, gives the models' numbers."""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field

import numpy as np
import pytest

import addax
from addax import layers

_TOKEN = re.compile(
    r'\s*(?:("(?:[^"\\]|\\["\\])*")|(%\d+\.\d+|%\d+)|(-?(?:\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|inf)(?!\w)|nan)|(\w+)|([-(){}\[\],:=+*?]))'
)
_BINARY = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide}
_UNARY = {"relu": lambda x: np.maximum(x, 0), "tanh": np.tanh, "sigmoid": lambda x: 1 / (1 + np.exp(-x))}


@dataclass
class _Endpoint:
    sizes: list[str]
    inputs: list[tuple[str, str, list[str]]]  # name, dtype, dims as text
    outputs: list[tuple[str, str, list[str]]]
    states: list[tuple[str, int]]
    example: tuple[list[int], list[int]]
    graph: str


@dataclass
class _File:
    tensors: list[np.ndarray] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    endpoints: dict[str, _Endpoint] = field(default_factory=dict)


class _Tokens:
    def __init__(self, text: str):
        self.text, self.at = text, 0

    def peek(self) -> str:
        match = _TOKEN.match(self.text, self.at)
        return match.group(match.lastindex) if match else ""

    def take(self, expected: str | None = None) -> str:
        match = _TOKEN.match(self.text, self.at)
        assert match, self.text[self.at : self.at + 20]
        token = match.group(match.lastindex)
        assert expected in (None, token), (expected, token)
        self.at = match.end()
        return token

    def accept(self, token: str) -> bool:
        found = self.peek() == token
        if found:
            self.take()
        return found

    def string(self) -> str:
        return re.sub(r"\\(.)", r"\1", self.take()[1:-1])

    def items(self, opening: str, closing: str, item) -> list:
        self.take(opening)
        found = []
        while not self.accept(closing):
            found.append(item())
            self.accept(",")
        return found

    def integer(self) -> str:
        """An int, a dim or a number as its text."""
        text = self.take()
        while self.peek() in ("+", "*"):
            text += self.take() + self.take()
        return text


def _read(path) -> _File:
    raw = path.read_bytes()
    magic, version, features, text_at, text_size, data_at, data_size, crc, _, total = struct.unpack(
        "<8sIIQQQQIIQ", raw[:64]
    )
    assert magic == b"\x89ADDAX\r\n" and version == 1 and features == 0 and total == len(raw) and data_at % 64 == 0
    encoded = raw[text_at : text_at + text_size]
    assert zlib.crc32(encoded) == crc
    data, file, tokens = raw[data_at : data_at + data_size], _File(), _Tokens(encoded.decode())
    for word in ("addax", "1", "ops", "1", "made_by"):
        tokens.take(word)
    tokens.string()

    def port() -> tuple[str, str, list[str]]:
        name = tokens.string()
        tokens.take(":")
        return name, tokens.take(), tokens.items("(", ")", tokens.integer)

    def state() -> tuple[str, int]:
        name = tokens.string()
        tokens.take("=")
        return name, int(tokens.take())

    while tokens.accept("tensor"):
        assert int(tokens.take()) == len(file.tensors)
        file.names.append(tokens.string())
        tokens.take(":")
        dtype = tokens.take()
        shape = [int(d) for d in tokens.items("(", ")", tokens.take)]
        tokens.take("at")
        at = int(tokens.take())
        size = int(np.prod(shape)) * {"bool": 1, "bfloat16": 2}.get(
            dtype, np.dtype("u2" if dtype == "bfloat16" else dtype).itemsize
        )
        tokens.take("crc")
        assert at % 64 == 0 and zlib.crc32(data[at : at + size]) == int(tokens.take())
        if dtype == "bfloat16":
            value = (np.frombuffer(data, "<u2", size // 2, at).astype("u4") << 16).view("f4")
        else:
            value = np.frombuffer(data[at : at + size], dtype)
        file.tensors.append(value.reshape(shape))
    while tokens.accept("endpoint"):
        name = tokens.string()
        tokens.take("{")
        parts = []
        for word, brackets, item in (
            ("sizes", "()", tokens.take),
            ("inputs", "[]", port),
            ("outputs", "[]", port),
            ("states", "[]", state),
        ):
            tokens.take(word)
            parts.append(tokens.items(*brackets, item))
        tokens.take("example")
        example = tuple(tokens.items("[", "]", lambda: int(tokens.take())) for _ in range(2))
        tokens.take("graph")
        size = int(tokens.take())
        start = tokens.text.index("\n", tokens.at) + 1
        graph = tokens.text[start:].encode()[:size].decode()
        tokens.at = start + len(graph)
        tokens.take("}")
        file.endpoints[name] = _Endpoint(*parts, example, graph)
    assert tokens.peek() == ""
    return file


class _Interpreter:
    """Runs graphs of the few ops that it knows."""

    def __init__(self, file: _File, endpoint: _Endpoint):
        self.file, self.endpoint = file, endpoint

    def __call__(self, *inputs: np.ndarray) -> list[np.ndarray]:
        sizes: dict[str, int] = {}
        for x, (_, dtype, dims) in zip(inputs, self.endpoint.inputs, strict=True):
            assert x.dtype == dtype and len(dims) == x.ndim
            for dim, n in zip(dims, x.shape, strict=True):
                assert int(dim) == n if dim.isdigit() else sizes.setdefault(dim, n) == n
        tokens, values = _Tokens(self.endpoint.graph), {}

        def number(text: str) -> int:
            total = 0
            for term in text.split("+"):
                product = 1
                for factor in term.split("*"):
                    if factor.startswith("%"):
                        value, axis = factor.split(".")
                        product *= values[value].shape[int(axis)]
                    else:
                        product *= sizes[factor] if factor in sizes else int(factor)
                total += product
            return total

        def definition() -> tuple[str, str, list[str]]:
            value = tokens.take()
            tokens.take(":")
            return value, tokens.take(), tokens.items("(", ")", tokens.integer)

        def argument() -> str:
            tokens.accept("state")
            return definition()[0]

        tokens.take("graph")
        given = [*inputs, *(self.file.tensors[t] for _, t in self.endpoint.states)]
        values.update(zip(tokens.items("(", ")", argument), given, strict=True))
        tokens.take("{")
        while not tokens.accept("return"):
            if tokens.accept("const"):
                value, dtype, dims = definition()
                tokens.take("=")
                values[value] = self._const(tokens, dtype, [number(d) for d in dims], number)
                continue
            made = [definition()]
            while tokens.accept(","):
                made.append(definition())
            tokens.take("=")
            results = self._apply(tokens, tokens.take(), values, number)
            for (value, dtype, dims), result in zip(made, results, strict=True):
                assert result.dtype == dtype and result.ndim == len(dims)
                assert all(d == "?" or number(d) == n for d, n in zip(dims, result.shape, strict=True))
                values[value] = result
        outputs = []
        while not tokens.accept("}"):
            tokens.accept("state")
            outputs.append(values[tokens.take()])
            tokens.accept(",")
        return outputs

    def _const(self, tokens: _Tokens, dtype: str, shape: list[int], number) -> np.ndarray:
        kind = tokens.peek()
        if kind in ("all", "tensor", "range", "whole", "quotient"):
            tokens.take()
        if kind == "tensor":
            return self.file.tensors[int(tokens.take())]
        content = tokens.items("[", "]", tokens.integer)
        if kind == "range":
            return (float(content[0]) + float(content[1]) * np.arange(shape[0])).astype(dtype)
        if kind == "quotient":
            return np.full(shape, float(content[0]) / number(content[1]), dtype)
        if kind == "whole":
            return np.array([number(text) for text in content], dtype).reshape(shape)
        elements = np.array([float(text) for text in content], dtype)
        return np.full(shape, elements[0], dtype) if kind == "all" else elements.reshape(shape)

    def _apply(self, tokens: _Tokens, op: str, values: dict[str, np.ndarray], number) -> list[np.ndarray]:
        tokens.take("(")
        args, attrs = [], {}
        while not tokens.accept(")"):
            if tokens.peek().startswith("%"):
                args.append(values[tokens.take()])
            else:
                name = tokens.take()
                tokens.take("=")
                if tokens.peek() == "(":
                    attrs[name] = tuple(number(d) for d in tokens.items("(", ")", tokens.integer))
                else:
                    attrs[name] = tokens.integer()
            tokens.accept(",")
        if op == "matmul":
            a, b = args
            a = a.swapaxes(-1, -2) if attrs["transpose_a"] == "true" else a
            b = b.swapaxes(-1, -2) if attrs["transpose_b"] == "true" else b
            return [a @ b]
        if op == "reshape":
            return [args[0].reshape(attrs["shape"])]
        if op == "sum":
            return [args[0].sum(attrs["axes"] or None, keepdims=attrs["keepdims"] == "true")]
        if op == "softmax":
            e = np.exp(args[0] - args[0].max(int(attrs["axis"]), keepdims=True))
            return [e / e.sum(int(attrs["axis"]), keepdims=True)]
        return [(_BINARY.get(op) or _UNARY[op])(*args)]


def _mlp():
    hidden = layers.Dense(5, activation="relu", name="hidden")
    return addax.Sequential([addax.Input((4,)), hidden, layers.Dense(3, activation="softmax", name="head")])


def test_reads_a_dense_model(tmp_path):
    model = _mlp()
    model.export(tmp_path / "m.addax", verbose=False)
    file = _read(tmp_path / "m.addax")
    (name, endpoint), *rest = file.endpoints.items()
    assert name == "serve" and not rest and endpoint.sizes == ["batch"] and endpoint.inputs[0][2] == ["batch", "4"]
    run = _Interpreter(file, endpoint)
    for batch in (1, 3, 7):
        x = np.random.standard_normal((batch, 4)).astype("float32")
        (y,) = run(x)
        np.testing.assert_allclose(y, np.asarray(model(x)), rtol=1e-5, atol=1e-6)
    kernel = file.tensors[[n.endswith("hidden/kernel") for n in file.names].index(True)]
    np.testing.assert_array_equal(kernel, np.asarray(model.get_layer("hidden").kernel))


def test_the_example_is_what_a_run_gives(tmp_path):
    _mlp().export(tmp_path / "m.addax", verbose=False)
    file = _read(tmp_path / "m.addax")
    endpoint = file.endpoints["serve"]
    given, recorded = ([file.tensors[t] for t in numbers] for numbers in endpoint.example)
    for y, expected in zip(_Interpreter(file, endpoint)(*given), recorded, strict=True):
        np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-6)


def test_sizes_in_consts_and_dims(tmp_path):
    inputs = addax.Input((None, 4))
    x = layers.Dense(3)(inputs)
    x = layers.GlobalAveragePooling1D()(x)  # divides by a size
    model = addax.Model(inputs, layers.Dense(2, activation="tanh")(x))
    model.export(tmp_path / "m.addax", verbose=False)
    file = _read(tmp_path / "m.addax")
    run = _Interpreter(file, file.endpoints["serve"])
    for batch, length in ((2, 5), (1, 9)):
        x = np.random.standard_normal((batch, length, 4)).astype("float32")
        np.testing.assert_allclose(run(x)[0], np.asarray(model(x)), rtol=1e-5, atol=1e-6)


def test_the_header_says_where_everything_lies(tmp_path):
    path = tmp_path / "m.addax"
    _mlp().export(path, verbose=False)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="as its header says"):
        addax.export.load(path)
    path.write_bytes(whole[:12] + b"\1" + whole[13:])
    with pytest.raises(ValueError, match="features that this library does not have"):
        addax.export.load(path)
    path.write_bytes(whole[:8] + b"\2" + whole[9:])
    with pytest.raises(ValueError, match=r"has version 2.*update addax"):
        addax.export.load(path)


def test_the_page_shows_a_real_file(tmp_path):
    page = (addax_root() / "docs" / "format.md").read_text()
    lines = re.search(r"```\n(00000000  .*?)```", page, re.S).group(1).splitlines()
    header = bytes.fromhex("".join(line[8:] for line in lines).replace(" ", ""))
    text = re.search(r"```\n(addax 1\n.*?)```", page, re.S).group(1)
    fields = struct.unpack("<8sIIQQQQIIQ", header)
    assert fields[0] == b"\x89ADDAX\r\n" and fields[4] == len(text) and fields[7] == zlib.crc32(text.encode())


def addax_root():
    """The folder of the project."""
    from pathlib import Path

    return Path(__file__).resolve().parents[2]


def test_files_ask_for_no_later_ops_than_they_use(tmp_path):
    """Attention without dropout is written as before there was any; with it, only later readers read the file."""
    inputs = addax.Input((5, 4))
    attend = layers.MultiHeadAttention(2, 3, dropout=0.5, seed=1)
    model = addax.Model(inputs, attend(inputs, inputs))
    x = np.random.default_rng(0).standard_normal((2, 5, 4)).astype("float32")
    texts, results = [], []
    for training in (False, True):
        archive = addax.export.ExportArchive()
        archive.track(model)
        signature = [addax.InputSpec(shape=(None, 5, 4), dtype="float32")]
        archive.add_endpoint("serve", lambda x, training=training: model(x, training=training), signature)
        path = tmp_path / "m.addax"
        archive.write_out(str(path), verbose=False)
        texts.append(path.read_bytes().decode("latin1"))
        loaded = addax.export.load(str(path))
        results.append(loaded(x, state=loaded.initial_state()))  # that of the random generator, if there is any
    (quiet, loud) = texts
    assert "\nops 1\n" in quiet and "attention(" in quiet and "dropout=" not in quiet
    assert "\nops 2\n" in loud and re.search(r"attention\(.*, mask=false, dropout=0.5\)", loud)
    np.testing.assert_allclose(results[0], np.asarray(model(x)), rtol=1e-5, atol=1e-6)
    assert not np.allclose(results[1], results[0], atol=1e-3)
