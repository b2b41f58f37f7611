"""The HTTP service of examples/serve: the protocol, batches, bounds, errors, and its end."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import addax
from addax import layers, ops
from tests.serve import build

pytestmark = pytest.mark.skipif(bool(build.missing()), reason=f"the service needs {build.missing()} of apt")

# For an answer that must come; nothing is timed.
PATIENCE = 120


def _load_py() -> ModuleType:
    spec = importlib.util.spec_from_file_location("serve_load", build.ROOT / "examples/serve/load.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


load = _load_py()


class Service:
    """The program, and a client."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [str(build.build()), "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "ADDAX_DEVICE": "cpu"},
        )
        assert self.process.stdout
        ready = self.process.stdout.readline()
        assert ready.startswith("ready on http://127.0.0.1:"), ready + self.process.communicate()[1]
        self.port = int(ready.rsplit(":", 1)[1])

    def client(self) -> Any:
        return load.Client("127.0.0.1", self.port, PATIENCE)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        client = self.client()
        try:
            return client.json(method, path, body)
        finally:
            client.close()

    def metric(self, name: str) -> float:
        client = self.client()
        try:
            return client.metric(name)
        finally:
            client.close()

    def wait_for(self, name: str, value: float) -> None:
        end = time.monotonic() + PATIENCE
        while self.metric(name) != value:
            assert time.monotonic() < end, f"{name} is {self.metric(name)}, not {value}"
            time.sleep(0.01)

    def raw(self, data: bytes) -> bytes:
        """What comes back on a connection of its own until the service closes it."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(data)
            answer = b""
            with contextlib.suppress(ConnectionResetError):
                while part := connection.recv(65536):
                    answer += part
            return answer

    def end(self, sent: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit status and what stands on stderr."""
        if self.process.poll() is None:
            self.process.send_signal(sent)
        try:
            errors = self.process.communicate(timeout=PATIENCE)[1]
        finally:
            self.process.kill()
        return self.process.returncode, errors


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[Service]:
    service = Service(*arguments)
    try:
        yield service
    finally:
        status, errors = service.end()
    assert status == 0, errors
    assert "internal error" not in errors


def _mlp() -> Any:
    addax.utils.set_random_seed(3)
    return addax.Sequential(
        [
            addax.Input((8,), name="x"),
            layers.Dense(16, activation="relu"),
            layers.Dense(4, activation="softmax", name="scores"),
        ]
    )


def _export(path: Path, fn: Callable, signature: list) -> str:
    archive = addax.export.ExportArchive()
    archive.add_endpoint("serve", fn, signature)
    archive.write_out(str(path), verbose=False)
    return str(path)


def _spec(shape: tuple, dtype: str = "float32") -> Any:
    return addax.InputSpec(shape=shape, dtype=dtype)


@pytest.fixture(scope="module")
def mlp() -> Any:
    return _mlp()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, mlp: Any) -> dict[str, str]:
    """Paths of exported models by name."""
    folder = tmp_path_factory.mktemp("models")
    mlp.export(str(folder / "mlp.addax"), verbose=False)
    return {
        "mlp": str(folder / "mlp.addax"),
        "pair": _export(
            folder / "pair.addax",
            lambda a, b: {"sum": a + b, "product": a * b},
            [_spec((None, 3)), _spec((None, 3))],
        ),
        # Rows of a batch see each other.
        "centred": _export(folder / "centred.addax", lambda x: x - ops.mean(x, axis=0), [_spec((None, 2))]),
        "fixed": _export(folder / "fixed.addax", lambda x: ops.sum(x), [_spec((2, 2))]),
    }


@pytest.fixture(scope="module")
def service(files: dict[str, str]) -> Iterator[Service]:
    models = [word for name, path in files.items() for word in ("--model", f"{name}={path}")]
    with serving(*models, "--max-request-bytes", "1000000") as running:
        yield running


def _request(x: np.ndarray, name: str, datatype: str = "FP32") -> dict[str, Any]:
    return {"inputs": [{"name": name, "shape": list(x.shape), "datatype": datatype, "data": x.ravel().tolist()}]}


def _input_name(service: Service, model: str) -> str:
    return service.call("GET", f"/v2/models/{model}")[1]["inputs"][0]["name"]


def _array(answer: dict[str, Any], k: int = 0) -> np.ndarray:
    output = answer["outputs"][k]
    return np.array(output["data"], dtype=np.float32).reshape(output["shape"])


def _x(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def name(service: Service) -> str:
    """Of the mlp's input."""
    return _input_name(service, "mlp")


def test_metadata(service: Service, name: str) -> None:
    assert service.call("GET", "/v2") == (200, {"name": "addax", "version": addax.__version__, "extensions": []})
    assert service.call("GET", "/v2/health/live") == (200, {"live": True})
    assert service.call("GET", "/v2/health/ready") == (200, {"ready": True})
    assert service.call("GET", "/v2/models/mlp/ready") == (200, {"ready": True})
    expected = {
        "name": "mlp",
        "versions": ["1"],
        "platform": "addax",
        "inputs": [{"name": name, "datatype": "FP32", "shape": [-1, 8]}],
        "outputs": [{"name": "scores", "datatype": "FP32", "shape": [-1, 4]}],
    }
    assert service.call("GET", "/v2/models/mlp") == (200, expected)
    assert service.call("GET", "/v2/models/mlp/versions/1") == (200, expected)
    fixed = service.call("GET", "/v2/models/fixed")[1]
    assert fixed["inputs"][0]["shape"] == [2, 2]
    assert fixed["outputs"][0]["shape"] == []


@pytest.mark.parametrize("rows", [1, 3, 0, 100])
def test_inference_is_predict(service: Service, mlp: Any, name: str, rows: int) -> None:
    x = _x(rows)
    status, answer = service.call("POST", "/v2/models/mlp/infer", {"id": "a\n7", **_request(x, name)})
    assert status == 200, answer
    assert answer["id"] == "a\n7"
    assert (answer["model_name"], answer["model_version"]) == ("mlp", "1")
    assert answer["outputs"][0]["name"] == "scores"
    assert answer["outputs"][0]["shape"] == [rows, 4]
    expected = mlp.predict(x, verbose=0) if rows else np.zeros((0, 4), np.float32)
    np.testing.assert_allclose(_array(answer), expected, rtol=1e-5, atol=1e-6)


def test_nested_data_outputs_asked_for_and_keys_in_any_order(service: Service, mlp: Any, name: str) -> None:
    x = _x(2)
    body = {
        "outputs": [{"name": "scores", "parameters": {"classification": 1}}],
        "inputs": [
            {
                "data": x.tolist(),
                "parameters": {"a": [1, {"b": None}]},
                "datatype": "FP32",
                "shape": [2, 8],
                "name": name,
            }
        ],
        "parameters": {"priority": 1},
        "unknown": [[1.5, "a"]],
    }
    status, answer = service.call("POST", "/v2/models/mlp/versions/1/infer", body)
    assert status == 200, answer
    assert "id" not in answer
    np.testing.assert_allclose(_array(answer), mlp.predict(x, verbose=0), rtol=1e-5, atol=1e-6)

    metadata = service.call("GET", "/v2/models/pair")[1]
    both = load.random_request(metadata, 2, random.Random(0))
    answers = service.call("POST", "/v2/models/pair/infer", both)[1]["outputs"]
    swapped = {"inputs": both["inputs"][::-1], "outputs": [{"name": o["name"]} for o in answers[::-1]]}
    assert service.call("POST", "/v2/models/pair/infer", swapped)[1]["outputs"] == answers[::-1]


def test_scalar_results_and_fixed_shapes(service: Service) -> None:
    body = _request(np.array([[1, 2], [3, 4]], np.float32), _input_name(service, "fixed"))
    status, answer = service.call("POST", "/v2/models/fixed/infer", body)
    assert (status, answer["outputs"][0]["shape"], answer["outputs"][0]["data"]) == (200, [], [10])


DATATYPES = {
    "BOOL": ("bool", [True, False]),
    "INT8": ("int8", [-128, 127]),
    "INT16": ("int16", [-32768, 32767]),
    "INT32": ("int32", [-(2**31), 2**31 - 1]),
    "INT64": ("int64", [-(2**63), 2**63 - 1]),
    "UINT8": ("uint8", [0, 255]),
    "UINT16": ("uint16", [0, 65535]),
    "UINT32": ("uint32", [0, 2**32 - 1]),
    "UINT64": ("uint64", [0, 2**64 - 1]),
    "FP16": ("float16", [-65504, 6e-8]),
    "BF16": ("bfloat16", [-3.38e38, 1.17e-38]),
    "FP32": ("float32", [-3.4028235e38, 1e-45, 0.1, 1e10]),
    "FP64": ("float64", [-1.7976931348623157e308, 5e-324, 0.1, 1e22]),
}
TOO_LARGE = {"FP16": 65520, "BF16": 3.4e38, "FP32": 3.4028236e38}


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One model for each datatype, which gives back what it gets, in reverse."""
    folder = tmp_path_factory.mktemp("echo")
    arguments = []
    for datatype, (dtype, _) in DATATYPES.items():
        path = _export(folder / f"{datatype}.addax", lambda x: ops.flip(x, axis=1), [_spec((None, None), dtype)])
        arguments += ["--model", f"{datatype}={path}"]
    with serving(*arguments) as running:
        yield running


@pytest.mark.parametrize("datatype", DATATYPES)
def test_every_datatype(echo: Service, datatype: str) -> None:
    dtype, values = DATATYPES[datatype]
    path = f"/v2/models/{datatype}"
    metadata = echo.call("GET", path)[1]
    assert metadata["inputs"][0]["datatype"] == metadata["outputs"][0]["datatype"] == datatype
    entry = {"name": metadata["inputs"][0]["name"], "datatype": datatype}

    def infer(*data: Any) -> tuple[int, Any]:
        return echo.call(
            "POST", f"{path}/infer", {"inputs": [{**entry, "shape": [1, len(data)], "data": [list(data)]}]}
        )

    status, answer = infer(*values)
    assert status == 200, answer
    numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
    # As text, so that 64-bit integers stay what they are.
    got, expected = ([str(np.array(v, numpy_dtype)) for v in list_] for list_ in (answer["outputs"][0]["data"], values))
    assert got == expected[::-1]

    if datatype == "BOOL":
        wrong = [0, 1.0, "NaN"]
    elif "INT" in datatype:
        wrong = [min(values) - 1, max(values) + 1, 1.0, 0.5, True, "NaN"]
    else:
        wrong = [True, *([TOO_LARGE[datatype], -TOO_LARGE[datatype]] if datatype in TOO_LARGE else [])]
        names = ["NaN", "Infinity", "-Infinity"]
        assert infer(*names)[1]["outputs"][0]["data"] == names[::-1]
    for value in wrong:
        status, answer = infer(*values, value)
        assert status == 400, (value, answer)
        assert f"element {len(values)}" in answer["error"]


def _with(base: dict[str, Any], **fields: Any) -> dict[str, Any]:
    entry = {**base["inputs"][0], **fields}
    return {**base, "inputs": [{k: v for k, v in entry.items() if v != "absent"}]}


def test_errors_of_requests(service: Service, name: str) -> None:
    good = _request(_x(1), name)
    entry = good["inputs"][0]
    cases: list[tuple[Any, str]] = [
        ([], "must be a JSON object"),
        (5, "must be a JSON object"),
        ({}, '"inputs" is missing'),
        ({"inputs": {}}, '"inputs" must be an array'),
        ({"inputs": []}, f'input "{name}" is missing'),
        ({"inputs": [5]}, "must hold objects"),
        ({"inputs": [entry, entry]}, "given twice"),
        ({"inputs": [entry, {**entry, "name": "more"}]}, 'has no input "more"'),
        ({**good, "id": 5}, '"id" must be a string'),
        ({**good, "outputs": 5}, '"outputs" must be an array'),
        ({**good, "outputs": ["scores"]}, "must hold objects"),
        ({**good, "outputs": [{"name": "none"}]}, 'has no output "none"'),
        ({**good, "outputs": [{"name": "scores"}] * 2}, "asked for twice"),
        (_with(good, name="absent"), '"name" is missing'),
        (_with(good, name=5), '"name" must be a string'),
        (_with(good, datatype="absent"), '"datatype" is missing'),
        (_with(good, datatype="INT64"), 'datatype must be FP32, not "INT64"'),
        (_with(good, datatype="BYTES"), "datatype must be FP32"),
        (_with(good, shape="absent"), '"shape" is missing'),
        (_with(good, shape=8), '"shape" must be an array'),
        (_with(good, shape=[1, -8]), "integers from 0"),
        (_with(good, shape=[1, 2**40]), "integers from 0"),
        (_with(good, shape=[1] * 9), "at most 8 dims"),
        (_with(good, shape=[8]), "shape must be [-1,8]"),
        (_with(good, shape=[1, 7]), "shape must be [-1,8], where -1 is any size, not [1,7]"),
        (_with(good, shape=[2, 8]), "needs 16 elements, data has 8"),
        (_with(good, data="absent"), '"data" is missing'),
        (_with(good, data=1), '"data" must be an array'),
        (_with(good, data="x"), '"data" must be an array'),
        (_with(good, data=[1] * 9), "needs 8 elements, data has 9"),
        (_with(good, data=[[1] * 4] * 2), "nested unlike shape [1,8]"),
        (_with(good, data=[[1] * 7, 1]), "must form a box"),
        (_with(good, data=[1, [1] * 7]), "must form a box"),
        (_with(good, data=[[1] * 3, [1] * 5]), "must form a box"),
        (_with(good, data=[[1] * 8, []]), "must form a box"),
        (_with(good, data=[None] * 8), "null"),
        (_with(good, data=[{}] * 8), "object"),
        (_with(good, data=["1"] * 8), "strings"),
        ({"a": [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}, "nested deeper"),
        ({str(i): i for i in range(5000)}, "4096"),
    ]
    for body, expected in cases:
        status, answer = service.call("POST", "/v2/models/mlp/infer", body)
        assert (status, list(answer)) == (400, ["error"]), body
        assert expected in answer["error"], (body, answer)

    pair = load.random_request(service.call("GET", "/v2/models/pair")[1], 2, random.Random(0))
    pair["inputs"][1].update(shape=[1, 3], data=[1, 2, 3])
    status, answer = service.call("POST", "/v2/models/pair/infer", pair)
    assert status == 400, answer
    client = service.client()
    for body in (b"", b"{", b'{"inputs":[{"data":[1e999]}]}', b"\xff\xfe", json.dumps(good).encode() + b"x"):
        status, text = client.request("POST", "/v2/models/mlp/infer", body)
        assert status == 400
        assert "not valid JSON at byte" in json.loads(text)["error"]
    client.close()
    # Whatever a name holds, the answer is JSON.
    for odd in ('"\n\x00', "x" * 100000, "\ud800"):
        body = json.dumps({"inputs": [{**entry, "name": odd}]})
        status, text = service.call("POST", "/v2/models/mlp/infer", json.loads(body))
        assert status == 400


def test_errors_of_http(service: Service, name: str) -> None:
    path = "/v2/models/mlp/infer"
    for method, target, expected in [
        ("GET", "/", 404),
        ("GET", "/v2/models/none", 404),
        ("GET", "/v2/models/none/ready", 404),
        ("GET", "/v2/models/mlp/versions/2", 404),
        ("GET", path, 404),
        ("POST", "/v2/models/none/infer", 404),
        ("POST", "/v2/models/mlp/versions/2/infer", 404),
        ("POST", "/v2", 404),
        ("PUT", path, 405),
        ("DELETE", path, 405),
        ("OPTIONS", path, 405),
    ]:
        status, answer = service.call(method, target, {})
        assert (status, list(answer)) == (expected, ["error"]), target

    good = json.dumps(_request(_x(1), name)).encode()
    line, length = f"POST {path} HTTP/1.1\r\n".encode(), b"Content-Length: %d\r\n" % len(good)
    for data, expected in [
        (line + b"\r\n" + good, 411),
        (line + length + length + b"\r\n" + good, 400),
        (line + b"Content-Length: -5\r\n\r\n" + good, 400),
        (line + b"Content-Length: 1000001\r\n\r\n", 413),
        (line + b"Expect: 100-continue\r\nContent-Length: 1000001\r\n\r\n", 413),
        (line + length + b"Content-Encoding: gzip\r\n\r\n" + good, 415),
        (line + length + b"Content-Type: multipart/form-data; boundary=a\r\n\r\n" + good, 415),
        (line + b"Transfer-Encoding: gzip\r\n\r\n" + good, 400),
        (line + length + b"Transfer-Encoding: chunked\r\n\r\n" + good, 400),
        (line + b"Transfer-Encoding: chunked\r\n\r\n" + b"100000\r\n" + b"1" * 0x100000 + b"\r\n0\r\n\r\n", 413),
        (line + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"a" * 10000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nConnection: close\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nrAnge: bytes=" + b"0-," * 2690 + b"0-\r\nConnection: close\r\n\r\n", 404),
    ]:
        answer = service.raw(data)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % expected), (data[:200], answer)
        assert b"Connection: close" in head
        assert list(json.loads(body)) == ["error"]

    # On one connection: in chunks, with Expect, two requests in one packet, with ranges, which are ignored.
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(good[i : i + 7]), good[i : i + 7]) for i in range(0, len(good), 7))
    data = line + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    data += line + length + b"Expect: 100-continue\r\n\r\n" + good
    data += line + length + b"Range: bytes=0-1,0-\r\n\r\n" + good
    data += line + length + b"Connection: close\r\n\r\n" + good
    answer = service.raw(data)
    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert answer.count(b'"model_name":"mlp"') == 4
    assert answer.count(b"HTTP/1.1 100 Continue") == 1


def test_concurrent_clients_get_their_own_rows_from_joint_runs(service: Service, mlp: Any, name: str) -> None:
    before = {k: service.metric(f"serve_batch_requests_{k}") for k in ("count", "sum")}
    problems: list[Any] = []

    def run(k: int) -> None:
        client = service.client()
        for i in range(100):
            x = _x(1 + (k + i) % 5, 1000 * k + i)
            status, answer = client.json("POST", "/v2/models/mlp/infer", {"id": f"{k}.{i}", **_request(x, name)})
            if status != 200 or answer["id"] != f"{k}.{i}":
                problems.append(answer)
            else:
                results.append((x, _array(answer)))
        client.close()

    results: list[tuple[np.ndarray, np.ndarray]] = []
    threads = [threading.Thread(target=run, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems
    assert len(results) == 800
    expected = mlp.predict(np.concatenate([x for x, _ in results]), verbose=0)
    np.testing.assert_allclose(np.concatenate([y for _, y in results]), expected, rtol=1e-5, atol=1e-6)
    runs, requests = (service.metric(f"serve_batch_requests_{k}") - before[k] for k in ("count", "sum"))
    assert requests == 800
    assert runs < 800


def test_requests_are_joined_where_rows_are_independent_only(files: dict[str, str]) -> None:
    models = [word for m in ("mlp", "centred", "pair") for word in ("--model", f"{m}={files[m]}")]
    # Of three requests that wait long enough, two of the same shape are joined.
    with serving(*models, "--batch-delay-us", "300000") as service:
        for model, joined in (("mlp", 3), ("pair", 3), ("centred", 0)):
            metadata = service.call("GET", f"/v2/models/{model}")[1]
            bodies = [load.random_request(metadata, rows, random.Random(rows)) for rows in (1, 2, 3)]
            alone = [service.call("POST", f"/v2/models/{model}/infer", body)[1] for body in bodies]
            answers: dict[int, Any] = {}

            def send(k: int, model: str = model, bodies: list = bodies, answers: dict = answers) -> None:
                answers[k] = service.call("POST", f"/v2/models/{model}/infer", bodies[k])[1]

            # Which requests share a run depends on when they come; that some do does not, given so many.
            for _ in range(10):
                threads = [threading.Thread(target=send, args=(k,)) for k in range(3)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
                for k in range(3):
                    for one, other in zip(answers[k]["outputs"], alone[k]["outputs"], strict=True):
                        assert one["shape"] == other["shape"]
                        np.testing.assert_allclose(one["data"], other["data"], rtol=1e-5, atol=1e-6)
            labels = f'{{model="{model}"}}'
            runs = service.metric(f"serve_batch_requests_count{labels}")
            requests = service.metric(f"serve_batch_requests_sum{labels}")
            assert requests == 33
            assert (runs < requests) == bool(joined)


def _in_threads(count: int, call: Callable[[int], Any]) -> tuple[list[threading.Thread], dict[int, Any]]:
    answers: dict[int, Any] = {}

    def run(k: int) -> None:
        answers[k] = call(k)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(count)]
    for thread in threads:
        thread.start()
    return threads, answers


def test_a_full_queue_answers_429_and_sigterm_answers_what_is_queued(files: dict[str, str], mlp: Any) -> None:
    # Two requests wait for others until the delay ends, which SIGTERM does.
    arguments = ("--queue", "2", "--batch-delay-us", "3600000000", "--max-batch", "100")
    service = Service("--model", f"mlp={files['mlp']}", *arguments)
    try:
        name = _input_name(service, "mlp")
        threads, answers = _in_threads(
            2, lambda k: service.call("POST", "/v2/models/mlp/infer", _request(_x(2, k), name))
        )
        service.wait_for("serve_queue_depth", 2)
        data = json.dumps(_request(_x(1), name)).encode()
        head = b"POST /v2/models/mlp/infer HTTP/1.1\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(data)
        refused = service.raw(head + data)
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert b"Retry-After: 1\r\n" in refused
        status, errors = service.end()
        for thread in threads:
            thread.join()
    finally:
        service.process.kill()
    assert status == 0, errors
    for k in range(2):
        assert answers[k][0] == 200, answers[k]
        np.testing.assert_allclose(_array(answers[k][1]), mlp.predict(_x(2, k), verbose=0), rtol=1e-5, atol=1e-6)


def test_runs_that_take_too_much_memory(tmp_path: Path) -> None:
    model = addax.Sequential([addax.Input((1,)), layers.Dense(1000), layers.Dense(1)])
    model.export(str(tmp_path / "wide.addax"), verbose=False)
    arguments = ("--max-run-bytes", "1000000", "--batch-delay-us", "300000", "--max-batch", "300")
    with serving("--model", f"wide={tmp_path / 'wide.addax'}", *arguments) as service:
        name = _input_name(service, "wide")
        x = np.arange(1000, dtype=np.float32)[:, None]
        status, answer = service.call("POST", "/v2/models/wide/infer", _request(x, name))
        assert status == 413
        assert "bytes" in answer["error"]
        # Three requests fit, but not together: each runs alone then.
        threads, answers = _in_threads(
            3, lambda k: service.call("POST", "/v2/models/wide/infer", _request(x[100 * k : 100 * k + 100], name))
        )
        for thread in threads:
            thread.join()
        for k in range(3):
            assert answers[k][0] == 200, answers[k]
            expected = model.predict(x[100 * k : 100 * k + 100], verbose=0)
            np.testing.assert_allclose(_array(answers[k][1]), expected, rtol=1e-4, atol=1e-4)


def test_too_many_connections_answer_503_unless_one_is_idle(files: dict[str, str]) -> None:
    arguments = ("--connections", "3", "--batch-delay-us", "3600000000", "--max-batch", "100")
    service = Service("--model", f"mlp={files['mlp']}", *arguments)
    try:
        name = _input_name(service, "mlp")
        idle = service.client()
        assert idle.json("GET", "/v2/health/live")[0] == 200

        def infer(_k: int) -> Any:
            for _ in range(100):
                with contextlib.suppress(http.client.RemoteDisconnected):
                    return service.call("POST", "/v2/models/mlp/infer", _request(_x(1), name))
            raise AssertionError("always taken for an idle connection")

        threads, _ = _in_threads(2, infer)
        # The metric's own connections take the place of the idle one, and of one that has not asked yet.
        service.wait_for("serve_queue_depth", 2)
        with pytest.raises(OSError):
            for _ in range(2):
                idle.request("GET", "/v2/health/live")
        with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as busy:
            busy.sendall(b"POST /v2/models/mlp/infer HTTP/1.1\r\nContent-Length: 50\r\n\r\n")
            end = time.monotonic() + PATIENCE
            while not (answer := service.raw(b"GET /v2 HTTP/1.1\r\nConnection: close\r\n\r\n")).startswith(
                b"HTTP/1.1 503"
            ):
                assert time.monotonic() < end
            assert b"Retry-After: 1\r\n" in answer
            assert json.loads(answer.partition(b"\r\n\r\n")[2]) == {"error": "too many connections"}
        assert service.end()[0] == 0
        for thread in threads:
            thread.join()
    finally:
        service.process.kill()


def test_slow_clients_are_cut_off(files: dict[str, str]) -> None:
    with serving("--model", f"mlp={files['mlp']}", "--request-timeout", "1", "--idle-timeout", "1") as service:
        assert service.raw(b"") == b""
        assert service.raw(b"GET /v2 HT").startswith(b"HTTP/1.1 408 ")
        head = b"POST /v2/models/mlp/infer HTTP/1.1\r\nContent-Length: 50\r\n\r\n"
        assert service.raw(head + b"{").startswith(b"HTTP/1.1 408 ")
        # One byte now and then does not help.
        with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as connection:
            connection.sendall(b"GET /")
            answer = b""
            connection.settimeout(0.1)
            end = time.monotonic() + PATIENCE
            while not answer:
                assert time.monotonic() < end
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(b"a")
                with contextlib.suppress(TimeoutError):
                    answer = connection.recv(1000)
        assert answer.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_the_end_waits_for_slow_clients_no_longer_than_the_grace(files: dict[str, str], sent: signal.Signals) -> None:
    service = Service("--model", f"mlp={files['mlp']}", "--request-timeout", "1000", "--grace", "1")
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as connection:
        connection.sendall(b"POST /v2/models/mlp/infer HTTP/1.1\r\nContent-Length: 50\r\n\r\n{")
        service.wait_for("serve_connections", 2)  # and the metric's own
        status, errors = service.end(sent)
    assert status == 0
    assert "grace" in errors


def test_files_are_loaded_again_on_sighup(tmp_path: Path) -> None:
    def export(value: float) -> None:
        _export(tmp_path / "new", lambda x: x * value, [_spec((None, 1))])
        (tmp_path / "new").rename(tmp_path / "m.addax")

    export(2)
    service = Service("--model", f"m={tmp_path / 'm.addax'}")
    try:
        body = _request(np.ones((1, 1), np.float32), _input_name(service, "m"))

        def result() -> float:
            return service.call("POST", "/v2/models/m/infer", body)[1]["outputs"][0]["data"][0]

        def reload() -> str:
            service.process.send_signal(signal.SIGHUP)
            assert service.process.stderr
            return service.process.stderr.readline()

        assert result() == 2
        export(3)
        assert reload() == "serve: loaded again: m\n"
        assert result() == 3
        (tmp_path / "broken").write_bytes(b"nonsense")
        (tmp_path / "broken").rename(tmp_path / "m.addax")
        assert "m not (" in reload()
        assert result() == 3
        assert service.end()[0] == 0
    finally:
        service.process.kill()


def test_malformed_requests_change_nothing(files: dict[str, str], mlp: Any) -> None:
    with serving("--model", f"mlp={files['mlp']}") as service:
        name = _input_name(service, "mlp")
        good = _request(_x(2), name)
        assert service.call("POST", "/v2/models/mlp/infer", good)[0] == 200
        start = service.metric("process_resident_memory_bytes")
        answers: Counter = Counter()
        for request in load.malformed(good, "/v2/models/mlp/infer", 1200, seed=7):
            answer = load.send_malformed("127.0.0.1", service.port, request, PATIENCE)
            answers[answer] += 1
            # Some mutations leave a request as it was; so does whatever reads past a request's end.
            assert answer != "200" or request.kind in ("mutated", "header", "line"), request
        assert set(answers) <= {"200", "400", "404", "405", "411", "413", "414", "415", "left"}, answers
        assert answers["200"] < 40
        assert answers["400"] > 700
        status, answer = service.call("POST", "/v2/models/mlp/infer", good)
        assert status == 200
        np.testing.assert_allclose(_array(answer), mlp.predict(_x(2), verbose=0), rtol=1e-5, atol=1e-6)
        service.wait_for("serve_connections", 1)
        grown = service.metric("process_resident_memory_bytes") - start
        assert grown < 64 * 2**20, f"{grown / 2**20} MiB more"


def test_the_command_line(files: dict[str, str], tmp_path: Path) -> None:
    program = str(build.build())

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=PATIENCE)
        return done.returncode, done.stdout, done.stderr

    status, text, _ = run("--help")
    assert status == 0
    for option in ("--model", "--port", "--host", "--threads", "--max-batch", "--batch-delay-us", "--queue", "--grace"):
        assert option in text
    mlp = f"mlp={files['mlp']}"
    state = addax.Sequential([addax.Input(batch_shape=(1, 3, 2)), layers.LSTM(2, stateful=True)])
    state.export(str(tmp_path / "state.addax"), verbose=False)
    for arguments, expected, said in [
        ([], 2, "--model name=path"),
        (["--model", "path"], 2, "name=path"),
        (["--model", "a/b=c"], 2, "no '/'"),
        (["--model", mlp, "--model", mlp], 2, "two models"),
        (["--model", mlp, "--port", "70000"], 2, "from 0 to 65535"),
        (["--model", mlp, "--port"], 2, "needs a value"),
        (["--model", mlp, "--verify=1"], 2, "no value"),
        (["--model", mlp, "--colour"], 2, "unknown option '--colour'"),
        (["--model", f"m={tmp_path}/none"], 1, "none"),
        (["--model", f"m={__file__}"], 1, "test_serve.py"),
        (["--model", f"m={tmp_path}/state.addax"], 1, "remembers"),
        (["--model", mlp, "--host", "no.such.host.invalid"], 1, "--host"),
        (["--model", mlp, "--device", "none"], 1, "none"),
    ]:
        status, _, errors = run(*arguments)
        assert status == expected, (arguments, errors)
        assert said in errors
    with serving("--model", mlp, "--verify", "--threads=1") as service:
        status, _, errors = run("--model", mlp, "--port", str(service.port))
        assert status == 1
        assert "cannot listen" in errors


def test_metrics(service: Service, name: str) -> None:
    assert service.call("POST", "/v2/models/mlp/infer", _request(_x(1), name))[0] == 200
    assert service.call("POST", "/v2/models/mlp/infer", {})[0] == 400
    client = service.client()
    text = client.request("GET", "/metrics")[1].decode()
    client.close()
    samples, kinds = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, metric, kind = line.split(" ")
            kinds[metric] = kind
        elif not line.startswith("#"):
            key, value = line.rsplit(" ", 1)
            samples[key] = float(value)
    for metric in ("serve_request_seconds", "serve_run_seconds", "serve_batch_rows", "serve_batch_requests"):
        assert kinds[metric] == "histogram"
        buckets = [v for k, v in samples.items() if k.startswith(f'{metric}_bucket{{model="mlp"')]
        assert buckets == sorted(buckets)
        assert buckets[-1] == samples[f'{metric}_count{{model="mlp"}}'] > 0
    assert samples['serve_requests_total{model="mlp",code="200"}'] >= 1
    assert samples['serve_requests_total{model="mlp",code="400"}'] >= 1
    assert samples['serve_responses_total{code="200"}'] >= 1
    assert samples['serve_queue_depth{model="mlp"}'] == 0
    assert samples["serve_connections"] >= 1
    assert samples["process_resident_memory_bytes"] > 1e6
