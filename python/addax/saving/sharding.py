"""Weights in several files: an index `<name>.weights.json` and shards `<name>_00000.weights.h5` beside it."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from addax.saving import archive, files
from addax.saving.hdf5 import StoredVariables, WeightsFileError, WeightsReader, WeightsWriter
from addax.saving.state import save_state

_SUFFIX = ".weights.json"


def index_path(path: str) -> str:
    """Returns the path of the index for a path given to `save_weights`."""
    if path.endswith(_SUFFIX):
        return path
    if path.endswith(".weights.h5"):
        path = path.removesuffix(".weights.h5") + _SUFFIX
        warnings.warn(f"sharded weights have an index file; it is written to {path!r}", stacklevel=4)
        return path
    raise ValueError(f"save_weights: with max_shard_size the file name must end in `{_SUFFIX}`; got {path!r}.")


def write(model: Any, path: str, max_shard_size: float) -> None:
    """Writes shards and index. All files are written before the first one gets its name."""
    with ExitStack() as stack:
        # Left in reverse order, so the index gets its name last.
        index = stack.enter_context(files.atomic_file(path))
        writer = _ShardedWriter(stack, path, int(max_shard_size * 2**30))
        save_state(model, writer)
        writer.finish()
        document = {"metadata": {"total_size": float(writer.total)}, "weight_map": writer.weight_map}
        index.write(json.dumps(document, indent=4).encode())


class _ShardedWriter:
    def __init__(self, stack: ExitStack, path: str, limit: int):
        self._stack, self._stem, self._limit = stack, path.removesuffix(_SUFFIX), limit
        self._shard: WeightsWriter | None = None
        self._count = self._used = self.total = 0
        self._name = ""
        self.weight_map: dict[str, list[str]] = {}

    def write(self, path: str, name: str | None, variables: Mapping[str, Any]) -> None:
        self._current(0).write(path, name, {})
        group = f"/{path}/vars" if path else "/vars"
        for key, value in variables.items():
            array = np.asarray(value)
            if array.nbytes > self._limit:
                raise ValueError(
                    f"save_weights: one variable of {name!r} has {array.nbytes} bytes, more than a shard may have "
                    f"({self._limit}). Give a larger max_shard_size (in GiB)."
                )
            self._current(array.nbytes).write(path, None, {key: array})
            self._used += array.nbytes
            self.total += array.nbytes
            shards = self.weight_map.setdefault(group, [])
            if self._name not in shards:
                shards.append(self._name)

    def _current(self, nbytes: int) -> WeightsWriter:
        if self._shard is None or self._used + nbytes > self._limit:
            self.finish()
            path = f"{self._stem}_{self._count:05}.weights.h5"
            self._name = os.path.basename(path)
            file = self._stack.enter_context(files.atomic_file(path))
            self._shard = self._stack.enter_context(WeightsWriter(file))
            self._count += 1
            self._used = 0
        return self._shard

    def finish(self) -> None:
        if self._shard is not None:
            self._shard.__exit__()


class ShardedReader:
    """Reads variables by layer path from all shards of an index.

    Args:
        path: the index file. A shard is opened only if its name is the one that belongs to this index.
    """

    def __init__(self, path: str):
        stem = path.removesuffix(_SUFFIX)
        with open(path, "rb") as file:
            document = archive.parse_json(file.read(archive.MAX_JSON_BYTES + 1), path)
        self._stack = ExitStack()
        self._readers: dict[str, WeightsReader] = {}
        groups = document.get("weight_map")
        if not isinstance(groups, dict) or not all(isinstance(names, (str, list)) for names in groups.values()):
            raise WeightsFileError(f"{path}: weight_map must name the files of every group.")
        # Keras writes a bare name where a list of one was meant.
        self._map = {group: [names] if isinstance(names, str) else names for group, names in groups.items()}
        with ExitStack() as stack:
            for name in sorted({str(name) for names in self._map.values() for name in names}):
                number = name.removeprefix(os.path.basename(stem) + "_").removesuffix(".weights.h5")
                shard = f"{stem}_{number}.weights.h5"
                if os.path.basename(shard) != name or not (number.isascii() and number.isdigit()):
                    raise WeightsFileError(f"{path}: {name!r} is not the name of a shard of this index.")
                if not os.path.isfile(shard):
                    raise WeightsFileError(f"{path}: the shard {shard!r} is missing.")
                file = stack.enter_context(open(shard, "rb"))
                self._readers[name] = stack.enter_context(WeightsReader(file))
            self._stack = stack.pop_all()

    def __enter__(self) -> ShardedReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def variables(self, path: str) -> StoredVariables:
        """Returns the variables stored for an object in all its shards together."""
        names = self._map.get(f"/{path}/vars" if path else "/vars", ())
        return StoredVariables.merge(self._readers[str(name)].variables(path) for name in names)
