"""Weights in HDF5: groups `<path>/vars` with datasets `0`, `1`, ... as Keras writes them. h5py is imported when used.

Reading trusts nothing: before any array is allocated, every object in the file must be a plain group or a plain
numeric dataset whose bytes lie inside this file. Which path belongs to which layer is in `state.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import numpy as np

from addax.dtypes import DTYPES

_OPAQUE_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")  # stored as raw bytes plus an attribute `dtype`
_MAX_DEPTH = 64


class WeightsFileError(ValueError):
    """A weights file that is damaged, or that uses parts of HDF5 which addax refuses; the message names them."""


def import_h5py() -> Any:
    """Returns the h5py module, or says how to get it."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError("saving and loading weights needs h5py: pip install h5py") from error
    return h5py


class WeightsWriter:
    """Writes variables by layer path into an HDF5 file.

    Args:
        file: a binary file object, readable, writable and seekable.
    """

    def __init__(self, file: IO[bytes]):
        self._file = import_h5py().File(file, "w")

    def __enter__(self) -> WeightsWriter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def write(self, path: str, name: str | None, variables: Mapping[str, Any]) -> None:
        """Writes the variables of one object.

        Args:
            path: where it sits in the model, for instance `layers/dense`; empty for the model.
            name: its own name, kept as an attribute of the group.
            variables: tensor, variable or array by key.
        """
        group = self._file.require_group(f"{path}/vars" if path else "vars")
        if name is not None:
            group.attrs["name"] = name
        for key, value in variables.items():
            array = np.asarray(value)
            if array.dtype.name in _OPAQUE_DTYPES:
                raw = np.ascontiguousarray(array).view(f"V{array.itemsize}").reshape(array.shape)
                group.create_dataset(key, data=raw).attrs["dtype"] = array.dtype.name
            else:
                group.create_dataset(key, data=array)


class WeightsReader:
    """Reads variables by layer path from an HDF5 file after checking the whole file.

    Args:
        file: a seekable binary file object.

    Raises:
        WeightsFileError: not HDF5, damaged, or with links, external or virtual data, filters or non-numeric types.
    """

    def __init__(self, file: IO[bytes]):
        self._h5py = import_h5py()
        file.seek(0, 2)
        self._file_size = file.tell()
        self._seen: set[int] = set()
        self._groups: dict[str, dict[str, _Dataset]] = {}  # "layers/dense/vars" -> key -> dataset
        try:
            self._file = self._h5py.File(file, "r")
        except Exception as error:  # h5py raises many types on damaged files
            raise WeightsFileError(f"weights file: not a complete HDF5 file ({error}).") from error
        try:
            root = self._h5py.h5g.open(self._file.id, b"/")
            self._seen.add(self._h5py.h5o.get_info(root).addr)
            self._scan(root, "", 0)
            stored = sum(dataset.nbytes for dataset in self._datasets())
            if stored > self._file_size:
                raise WeightsFileError(
                    f"weights file: declares {stored} bytes of variables but holds only {self._file_size} bytes."
                )
        except WeightsFileError:
            self.close()
            raise
        except Exception as error:
            self.close()
            raise WeightsFileError(f"weights file: damaged HDF5 ({error}).") from error

    def __enter__(self) -> WeightsReader:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the file; variables that were not read cannot be read any more."""
        self._file.close()

    @property
    def elements(self) -> int:
        """The number of numbers stored in all variables together."""
        return sum(dataset.nbytes // dataset.dtype.itemsize for dataset in self._datasets())

    def variables(self, path: str) -> StoredVariables:
        """Returns the variables stored for an object, read one by one when asked for; empty if there are none.

        Args:
            path: where it sits in the model, for instance `layers/dense`; empty for the model.
        """
        return StoredVariables(self._groups.get(f"{path}/vars" if path else "vars", {}))

    def _datasets(self) -> Iterator[_Dataset]:
        for group in self._groups.values():
            yield from group.values()

    def _scan(self, group: Any, path: str, depth: int) -> None:
        h5py = self._h5py
        if depth > _MAX_DEPTH:
            raise WeightsFileError(f"weights file: groups are nested more than {_MAX_DEPTH} deep at {path[:80]!r}.")
        names = list(group)
        for raw in names:
            # Files from before Keras 3 name the list of layers differently.
            old = raw == b"_layer_checkpoint_dependencies" and b"layers" not in names
            name = path + ("layers" if old else raw.decode("utf-8", "replace"))
            link = group.links.get_info(raw).type
            if link != h5py.h5l.TYPE_HARD:
                kinds = {h5py.h5l.TYPE_SOFT: "a soft", h5py.h5l.TYPE_EXTERNAL: "an external"}
                kind = kinds.get(link, "a user-defined")
                raise WeightsFileError(
                    f"weights file: {name!r} is {kind} link. addax follows no links: they can point to other files."
                )
            info = h5py.h5o.get_info(group, raw)
            if info.addr in self._seen:
                raise WeightsFileError(f"weights file: {name!r} is a second name of another object, or a loop.")
            self._seen.add(info.addr)
            if info.type == h5py.h5o.TYPE_GROUP:
                self._scan(h5py.h5g.open(group, raw), f"{name}/", depth + 1)
            elif info.type == h5py.h5o.TYPE_DATASET:
                parent, _, key = name.rpartition("/")
                self._groups.setdefault(parent, {})[key] = self._check_dataset(h5py.h5d.open(group, raw), name)
            else:
                raise WeightsFileError(f"weights file: {name!r} is neither a group nor a dataset.")

    def _check_dataset(self, dataset: Any, name: str) -> _Dataset:
        h5py = self._h5py
        created = dataset.get_create_plist()
        layout = created.get_layout()
        if layout == h5py.h5d.VIRTUAL or created.get_external_count():
            raise WeightsFileError(
                f"weights file: the data of {name!r} lie in another file (virtual or external storage); addax reads "
                "only this file."
            )
        if layout not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS):
            raise WeightsFileError(
                f"weights file: {name!r} is chunked or compressed; Keras writes plain arrays. Repack it with "
                "`h5repack -l CONTI -f NONE`."
            )
        dtype, opaque = self._dtype(dataset, name)
        if dataset.get_space().get_simple_extent_type() == h5py.h5s.NULL:
            raise WeightsFileError(f"weights file: {name!r} holds no data.")
        shape = tuple(int(size) for size in dataset.shape)
        nbytes = dtype.itemsize
        for size in shape:
            nbytes *= size
        if nbytes:
            stored = dataset.get_storage_size()
            offset = dataset.get_offset() if layout == h5py.h5d.CONTIGUOUS else 0
            if stored != nbytes or offset is None or offset + nbytes > self._file_size:
                raise WeightsFileError(
                    f"weights file: {name!r} declares shape {shape} of {dtype} ({nbytes} bytes), but the file holds "
                    f"{min(stored, self._file_size)} bytes for it."
                )
        return _Dataset(h5py.Dataset(dataset), shape, dtype, opaque, nbytes)

    def _dtype(self, dataset: Any, name: str) -> tuple[np.dtype, bool]:
        h5py = self._h5py
        stored = dataset.get_type()
        if stored.get_class() == h5py.h5t.OPAQUE and stored.get_size() <= 2:
            # The attribute is a short text; its declared size is checked before it is read.
            if h5py.h5a.exists(dataset, b"dtype") and h5py.h5a.get_info(dataset, b"dtype").data_size <= 64:
                named = h5py.Dataset(dataset).attrs["dtype"]
                if named in _OPAQUE_DTYPES:
                    import ml_dtypes

                    dtype = np.dtype(getattr(ml_dtypes, named))
                    if dtype.itemsize == stored.get_size():
                        return dtype, True
        elif stored.get_class() in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM):
            dtype = stored.dtype
            if dtype.name in DTYPES and dtype.itemsize == stored.get_size():
                return dtype, False
        raise WeightsFileError(f"weights file: {name!r} does not hold plain numbers.")


class _Dataset:
    """One checked dataset."""

    def __init__(self, data: Any, shape: tuple[int, ...], dtype: np.dtype, opaque: bool, nbytes: int):
        self.data, self.shape, self.dtype, self.opaque, self.nbytes = data, shape, dtype, opaque, nbytes

    def read(self) -> np.ndarray:
        try:
            array = self.data[()]
        except Exception as error:
            raise WeightsFileError(f"weights file: {self.data.name!r} cannot be read ({error}).") from error
        array = np.asarray(array)
        if self.opaque:
            return array.view(self.dtype).reshape(self.shape)
        return array.astype(self.dtype.newbyteorder("="), copy=False)


class StoredVariables(Mapping):
    """The variables stored for one object: key to array. Arrays are read when asked for, shapes are known at once."""

    def __init__(self, datasets: dict[str, _Dataset]):
        self._datasets = datasets

    @classmethod
    def merge(cls, parts: Iterable[StoredVariables]) -> StoredVariables:
        """Joins the variables that several files hold for one object."""
        return cls({key: dataset for part in parts for key, dataset in part._datasets.items()})

    def __getitem__(self, key: str) -> np.ndarray:
        return self._datasets[key].read()

    def __iter__(self) -> Iterator[str]:
        return iter(self._datasets)

    def __len__(self) -> int:
        return len(self._datasets)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shape of every variable by key."""
        return {key: dataset.shape for key, dataset in self._datasets.items()}
