"""Puts a running service under load, then sends it malformed requests, and prints what came of it:

    serve --model m=model.addax --port 8000 &
    python load.py --url http://127.0.0.1:8000 --model m

Only the standard library. `tests/serve` uses the same requests.
"""

from __future__ import annotations

import argparse
import collections
import http.client
import json
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


class Client:
    """One connection that is kept open."""

    def __init__(self, host: str, port: int, timeout: float = 60) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout)

    def request(self, method: str, path: str, body: bytes | str | None = None) -> tuple[int, bytes]:
        try:
            self._connection.request(method, path, body)
            response = self._connection.getresponse()
            return response.status, response.read()
        except (http.client.RemoteDisconnected, ConnectionError):
            self._connection.close()
            raise

    def json(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        status, answer = self.request(method, path, None if body is None else json.dumps(body))
        return status, json.loads(answer)

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels; a name may have labels in braces, then it is that one."""
        total = 0.0
        for line in self.request("GET", "/metrics")[1].decode().splitlines():
            key, _, value = line.rpartition(" ")
            if key == name or ("{" not in name and key.startswith(name + "{")):
                total += float(value)
        return total

    def close(self) -> None:
        self._connection.close()


def random_request(metadata: dict[str, Any], rows: int, random: random.Random) -> dict[str, Any]:
    """A request that fits a model's metadata; sizes that are open are `rows`."""
    inputs = []
    for info in metadata["inputs"]:
        shape = [rows if dim < 0 else dim for dim in info["shape"]]
        count = 1
        for dim in shape:
            count *= dim
        if info["datatype"] == "BOOL":
            data: list = [random.random() < 0.5 for _ in range(count)]
        elif "INT" in info["datatype"]:
            data = [random.randrange(8) for _ in range(count)]
        else:
            data = [round(random.gauss(0, 1), 4) for _ in range(count)]
        inputs.append({"name": info["name"], "shape": shape, "datatype": info["datatype"], "data": data})
    return {"inputs": inputs}


@dataclass
class Malformed:
    kind: str
    sent: bytes  # on a new connection
    leaves: bool = False  # the client closes without reading


def malformed(valid: dict[str, Any], path: str, count: int, seed: int) -> Iterator[Malformed]:
    """Requests that a correct client never sends. Some mutations leave a request valid by chance."""
    rng = random.Random(seed)
    text = json.dumps(valid).encode()

    def post(body: bytes, headers: str = "", length: int | None = None, target: str = path) -> bytes:
        length = len(body) if length is None else length
        return f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n{headers}\r\n".encode() + body

    def chunked(body: bytes) -> bytes:
        return f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + body

    def changed(**fields: Any) -> bytes:
        return json.dumps({**valid, "inputs": [{**valid["inputs"][0], **fields}, *valid["inputs"][1:]]}).encode()

    def garbage(low: int, high: int) -> bytes:
        return rng.randbytes(rng.randint(low, high))

    def mutated() -> bytes:
        out = bytearray(text)
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(out))
            action = rng.randrange(4)
            if action == 0:
                out[at] = rng.randrange(256)
            elif action == 1:
                del out[at : at + rng.randint(1, 20)]
            elif action == 2:
                out[at:at] = rng.choice(
                    [b"[", b"]", b"{", b"}", b'"', b",", b"null", b"1e309", b"-", b"\\u0000", b"\xff"]
                )
            else:
                end = at + rng.randint(1, 40)
                out[at:at] = out[at:end]
            if not out:
                out = bytearray(b" ")
        return bytes(out)

    def tree(depth: int) -> Any:
        action = rng.randrange(8 if depth else 5)
        if action < 5:
            return rng.choice([None, True, -1, 2**64, 1e308, "", "inputs", 0.5])
        names = ["inputs", "outputs", "name", "shape", "datatype", "data", "id", "parameters"]
        if action < 7:
            return {rng.choice(names): tree(depth - 1) for _ in range(rng.randrange(6))}
        return [tree(depth - 1) for _ in range(rng.randrange(6))]

    shape = valid["inputs"][0]["shape"]
    shapes = [
        [],
        [0],
        [-1],
        [2**62, 2**62],
        [1] * 9,
        ["8"],
        [1.5],
        None,
        "8",
        [2**31],
        shape * 2,
        [*shape, 1],
        {"a": 1},
    ]
    numbers = [b"1e400", b"-1e400", b"1" + b"0" * 400, b"1e39", b"18446744073709551616", b"0x10", b"1.", b"NaN", b"+1"]
    headers = [
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Encoding: gzip\r\n",
        "Content-Encoding: br\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Range: bytes=" + "0-," * 2000 + "0-\r\n",
        "X: " + "y" * 100000 + "\r\n",
        "".join(f"X{i}: y\r\n" for i in range(20000)),
        "Expect: 100-continue\r\nContent-Encoding: gzip\r\n",
        ": \r\n\t\r\n::\r\n",
    ]
    chunks = [
        b"zz\r\n",
        b"-5\r\nabcde\r\n0\r\n\r\n",
        b"ffffffffffffffff\r\nabc",
        b"7fffffff\r\nabc",
        b"5\r\nabcdefgh\r\n0\r\n\r\n",
        b"3\r\nabc",
        b"\r\n\r\n",
        b"1" * 100000,
        b"5;" + b"x" * 1000 + b'\r\n{"a":\r\n0\r\n\r\n',
        b"1\r\n{\r\n" * 2000 + b"0\r\n\r\n",
    ]
    lines = [
        b"GET\r\n\r\n",
        b"GET /v2 HTTP/9.9\r\n\r\n",
        b"PUT /v2 HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
        b"DELETE " + path.encode() + b" HTTP/1.1\r\n\r\n",
        b"POST " + path.encode() + b" HTTP/1.1\r\n\r\n" + text,
        b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\n\r\n",
        b"GET /%00%ff%zz/../.. HTTP/1.1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"\r\n" * 1000,
        b"POST " + path.encode() + b" HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST " + path.encode() + b" HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    ]
    makers = {
        "mutated": lambda: post(mutated()),
        "tree": lambda: post(json.dumps(tree(6)).encode()),
        "shape": lambda: post(changed(shape=rng.choice(shapes))),
        "datatype": lambda: post(changed(datatype=rng.choice(["BYTES", "FP8", "", None, 3, "fp32", "x" * 5000]))),
        "data": lambda: post(
            changed(data=rng.choice([None, 5, {}, [], [[]], ["a"], [None], [{}], [[1], 2], [1] * 99999]))
        ),
        "number": lambda: post(changed(data="@").replace(b'"@"', b"[" + rng.choice(numbers) + b"]")),
        "nesting": lambda: post(rng.choice([b"[", b'{"a":', b'{"inputs":[{"data":[']) * rng.randint(1000, 100000)),
        "deep data": lambda: post(changed(data="@").replace(b'"@"', b"[" * 50000 + b"]" * 50000)),
        "many keys": lambda: post(json.dumps({f"k{i}": {} for i in range(20000)}).encode()),
        "utf-8": lambda: post(text.replace(b"name", b"na\xc0\x80me")),
        "truncated": lambda: post(text[: rng.randrange(len(text))], length=len(text)),
        "leaves": lambda: post(text[: rng.randrange(len(text))], length=len(text)),
        "leaves later": lambda: post(text),
        "large": lambda: post(b"x" * 1000, length=2**40),
        "path": lambda: post(text, target=rng.choice(["/v2/models/none/infer", "/", "/v2/models//infer", path + "/x"])),
        "header": lambda: post(text, headers=rng.choice(headers)),
        "chunks": lambda: chunked(rng.choice(chunks)),
        "line": lambda: rng.choice(lines),
        "garbage": lambda: garbage(1, 3000),
        "garbage body": lambda: post(garbage(0, 3000)),
    }
    kinds = list(makers)
    for i in range(count):
        kind = kinds[i % len(kinds)]
        yield Malformed(kind, makers[kind](), kind.startswith("leaves"))


def send_malformed(host: str, port: int, request: Malformed, timeout: float = 60) -> str:
    """The status of the first answer; "left" for a client that did not wait; "closed" if none came."""
    with socket.create_connection((host, port), timeout) as connection:
        try:
            connection.sendall(request.sent)
            if request.leaves:
                # Closed with a reset.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return "left"
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # cut off while it still sent; the answer may be there all the same
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except OSError:
            pass
    return answer[9:12].decode("latin-1") if answer.startswith(b"HTTP/1.1 ") else "closed"


def load(
    host: str, port: int, model: str, clients: int, seconds: float, rows: int, seed: int
) -> tuple[list[float], int]:
    """Latencies of all answers in seconds, and how many were not 200."""
    first = Client(host, port)
    metadata = first.json("GET", f"/v2/models/{model}")[1]
    first.close()
    latencies: list[list[float]] = [[] for _ in range(clients)]
    errors = [0] * clients
    end = time.monotonic() + seconds

    def run(k: int) -> None:
        body = json.dumps(random_request(metadata, rows, random.Random(seed + k)))
        client = Client(host, port)
        while time.monotonic() < end:
            start = time.perf_counter()
            status, _ = client.request("POST", f"/v2/models/{model}/infer", body)
            latencies[k].append(time.perf_counter() - start)
            errors[k] += status != 200
        client.close()

    threads = [threading.Thread(target=run, args=(k,)) for k in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(x for each in latencies for x in each), sum(errors)


def main() -> None:
    parser = argparse.ArgumentParser(description="Load and malformed requests for a running service.")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--model", required=True)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rows", type=int, default=1, help="of each request, where the model leaves sizes open")
    parser.add_argument("--malformed", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    url = urlsplit(arguments.url)
    host, port = url.hostname or "127.0.0.1", url.port or 80
    client = Client(host, port)
    memory = [client.metric("process_resident_memory_bytes")]

    latencies, errors = load(
        host, port, arguments.model, arguments.clients, arguments.seconds, arguments.rows, arguments.seed
    )
    at = lambda part: latencies[min(len(latencies) - 1, int(len(latencies) * part))] * 1000  # noqa: E731
    runs = client.metric("serve_batch_requests_count") or 1
    print(f"{arguments.clients} clients: {len(latencies) / arguments.seconds:.0f} requests/s, {errors} not 200")
    print(f"latency p50 {at(0.5):.2f} ms, p99 {at(0.99):.2f} ms")
    print(f"{client.metric('serve_batch_requests_sum') / runs:.2f} requests per run on average")
    memory.append(client.metric("process_resident_memory_bytes"))

    status, metadata = client.json("GET", f"/v2/models/{arguments.model}")
    assert status == 200, metadata
    valid = random_request(metadata, arguments.rows, random.Random(arguments.seed))
    path = f"/v2/models/{arguments.model}/infer"
    answers = collections.Counter(
        send_malformed(host, port, request) for request in malformed(valid, path, arguments.malformed, arguments.seed)
    )
    client.close()
    client = Client(host, port)
    print(f"{arguments.malformed} malformed requests: " + ", ".join(f"{k}: {v}" for k, v in sorted(answers.items())))
    status, _ = client.json("POST", path, valid)
    memory.append(client.metric("process_resident_memory_bytes"))
    print(f"then a valid one: {status}")
    print(
        "memory: "
        + ", ".join(
            f"{m / 2**20:.1f} MiB {w}" for m, w in zip(memory, ("at start", "under load", "at the end"), strict=True)
        )
    )


if __name__ == "__main__":
    main()
